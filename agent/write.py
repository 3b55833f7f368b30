"""Files written whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path


def write(path: Path, text: str, *, mode: int = 0o644, owner: str | None = None) -> None:
    """Replace `path` by `text` in one step; a reader sees the old content or the new.

    The mode holds from the first byte on. `owner` is a user, whose group of the same name
    is taken too; only root may give one.
    """
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
        if owner is not None:
            shutil.chown(temporary, owner, owner)
        temporary.chmod(mode)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
