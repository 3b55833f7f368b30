"""Atomic writing of files: as a whole, or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path


def write(
    path: Path,
    text: str,
    *,
    mode: int = 0o644,
    owner: str | None = None,
    group: str | int | None = None,
) -> None:
    """Replace `path` by `text` in one step; a reader sees the old content or the new.

    No other user can read the file before its mode is set. Only root may set an `owner`, which is
    a user's name. Without `group`, the owner's group of the same name is used.
    """
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
        if owner is not None:
            shutil.chown(temporary, owner, group or owner)
        elif group is not None:
            shutil.chown(temporary, group=group)
        temporary.chmod(mode)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_newer(
    path: Path,
    text: str,
    *,
    mode: int = 0o644,
    owner: str | None = None,
    group: str | int | None = None,
) -> None:
    """Replace `path` by `text`, with a modification time in a later second than before.

    Kamailio's db_text compares whole seconds, and would not notice two changes within one second.
    """
    before = int(path.stat().st_mtime) if path.exists() else 0
    write(path, text, mode=mode, owner=owner, group=group)
    changed = max(int(path.stat().st_mtime), before + 1)
    os.utime(path, (changed, changed))
