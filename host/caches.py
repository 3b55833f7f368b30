"""Cached directories: built once, atomically, and only read afterwards."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from host.paths import cache_dir

IN_USE_S: Final = 6 * 3600  # longer than any run of the tests


def digest(parts: Iterable[Path | str]) -> str:
    """Hash of texts and of files (name and content; directories recursively), 16 characters."""
    total = hashlib.sha256()
    for part in parts:
        if isinstance(part, str):
            total.update(f"text {len(part)} {part}".encode())
            continue
        for file in [part] if part.is_file() else sorted(p for p in part.rglob("*") if p.is_file()):
            if "__pycache__" in file.parts:
                continue
            content = file.read_bytes()
            name = file.relative_to(part.parent)
            mode = os.access(file, os.X_OK)
            total.update(f"file {name} {mode} {len(content)} ".encode() + content)
    return total.hexdigest()[:16]


@contextmanager
def locked(name: str) -> Iterator[None]:
    """Hold the machine-wide lock `name`, so that two labs do not build the same thing at once."""
    directory = cache_dir() / "locks"
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / name).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def build_once(target: Path, build: Callable[[Path], None]) -> bool:
    """Make `target` by calling `build` with an empty `.part` directory, renamed when complete.

    An existing `target` is kept, and marked as used now for `prune`. Returns whether it had to be
    made. The next build removes what an interrupted one has left.
    """
    if target.exists():
        os.utime(target)
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    with locked(f"{target.parent.name}-{target.name}"):
        if target.exists():
            return False
        part = target.with_name(target.name + ".part")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir()
        build(part)
        part.rename(target)
        return True


def prune(directory: Path, prefix: str, keep: Collection[Path], most: int = 5) -> None:
    """Delete the entries that begin with `prefix`, except the `most` that were used last.

    Entries in `keep` stay, and so do those that were used within `IN_USE_S`, because the tests of
    another checkout may run on them. Remains of interrupted builds are deleted after a day.
    """
    yesterday, lately = time.time() - 86400, time.time() - IN_USE_S
    entries = sorted(directory.glob(f"{prefix}*"), key=lambda p: p.stat().st_mtime, reverse=True)
    parts = [e for e in entries if ".part" in e.name]
    whole = [e for e in entries if e not in parts]
    old_parts = [p for p in parts if p.stat().st_mtime < yesterday]
    unused = [e for e in whole[most:] if e not in keep and e.stat().st_mtime < lately]
    for entry in old_parts + unused:
        shutil.rmtree(entry, ignore_errors=True)
