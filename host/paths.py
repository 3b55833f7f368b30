"""Directories of this host for the cache and for the state of labs."""

from __future__ import annotations

import os
from pathlib import Path


def cache_dir() -> Path:
    """The cache: things that are expensive to make and the same for all labs of this machine."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "c4"


def labs_dir() -> Path:
    """Directory with the state of each lab; another one for each user but root."""
    user = f"-{os.geteuid()}" if os.geteuid() else ""
    return Path(os.environ.get("C4_LAB_DIR", f"/var/tmp/c4-lab{user}"))
