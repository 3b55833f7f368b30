"""The kernel's setting for large pages of shared memory, as the machine image makes it at boot."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CONFIGURED = Path(__file__).parents[2] / "image/files/app/hugepages.conf"


@contextmanager
def as_on_the_image() -> Iterator[None]:
    """For the whole machine, until the end; a kernel without the setting is left alone."""
    path, value = _setting(CONFIGURED.read_text())
    if not path.exists():
        yield
        return
    before = path.read_text().partition("[")[2].partition("]")[0]
    path.write_text(value)
    try:
        yield
    finally:
        path.write_text(before)


def _setting(text: str) -> tuple[Path, str]:
    """File and value of the one line of tmpfiles.d(5)."""
    (line,) = (line for line in text.splitlines() if not line.startswith("#"))
    _, path, _, _, _, _, value = line.split()
    return Path(path), value
