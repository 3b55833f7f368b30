"""A file as it will be on an instance."""

from __future__ import annotations

import re
from dataclasses import dataclass

_MODE = re.compile(r"0[0-7]{3}")
_OWNER = re.compile(r"[a-z_][a-z0-9_-]*:[a-z_][a-z0-9_-]*")


@dataclass(frozen=True)
class File:
    """One file of an instance: absolute path, whole content, octal mode, `user:group`.

    Raises `ValueError` for a path, mode or owner that cloud-init would misread.
    """

    path: str
    content: str
    mode: str = "0644"
    owner: str = "root:root"

    def __post_init__(self) -> None:
        if not self.path.startswith("/") or ".." in self.path.split("/"):
            raise ValueError(f"path: {self.path!r} must be absolute and without '..'")
        if not _MODE.fullmatch(self.mode):
            raise ValueError(f"mode: {self.mode!r} must be four octal digits, e.g. '0644'")
        if not _OWNER.fullmatch(self.owner):
            raise ValueError(f"owner: {self.owner!r} must be 'user:group'")
