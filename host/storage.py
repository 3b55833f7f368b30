"""File systems on which overlays can keep their changes.

The root of a container is an overlay itself, and no other overlay can keep its changes there. So
the cache and the state of labs move to a file system in a file, mounted on a loop device.
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from host.errors import HostError
from host.paths import cache_dir, labs_dir
from host.run import Argument, run

DISK: Final = Path("/var/lib/c4-disk")  # mount point; the file is beside it
MOST: Final = 64 << 30  # bytes; the file takes only what is written
SPARE: Final = 1 << 30  # bytes that stay free below
LEAST: Final = 6 << 30  # bytes: the image, the programs, and a dozen machines
LOOP_MAJOR: Final = 7
HINT: Final = "give the container a volume:  docker run --privileged -v c4:{directory} ..."


def prepare(progress: Callable[[str], None]) -> None:
    """Make the cache and the folder of labs fit for overlays. Raises `HostError`.

    Needs root. It changes nothing where they already are.
    """
    for name, directory in (("cache", cache_dir()), ("lab", labs_dir())):
        directory.mkdir(parents=True, exist_ok=True)
        if not carries_overlays(directory):
            if not DISK.is_mount():
                progress(f"making a file system for overlays in {DISK}.ext4")
                _mount_disk(directory)
            (DISK / name).mkdir(exist_ok=True)
            for entry in directory.iterdir():  # from before, when nothing needed overlays
                if not (DISK / name / entry.name).exists():
                    shutil.move(entry, DISK / name)
            run(["mount", "--bind", DISK / name, directory])


def carries_overlays(directory: Path) -> bool:
    """True when an overlay can keep its changes in a directory: it is tried."""
    with tempfile.TemporaryDirectory(prefix="c4-try-", dir=directory) as name:
        parts = [Path(name, part) for part in ("lower", "upper", "work", "root")]
        for part in parts:
            part.mkdir()
        lower, upper, work, root = parts
        option = f"lowerdir={lower},upperdir={upper},workdir={work}"
        mount: list[Argument] = ["mount", "-t", "overlay", "overlay", "-o", option, root]
        isolated = ["unshare", "--mount", "--propagation", "private"]
        return run([*isolated, *mount], check=False).returncode == 0


def _mount_disk(directory: Path) -> None:
    file = DISK.with_suffix(".ext4")
    hint = HINT.format(directory=directory)
    if not file.exists():
        size = min(MOST, shutil.disk_usage(file.parent).free - SPARE)
        if size < LEAST:
            raise HostError(
                f"{file.parent} has {(size + SPARE) >> 30} GiB free, {(LEAST + SPARE) >> 30} are "
                "needed",
                hint,
            )
        part = file.with_suffix(".part")
        with part.open("wb") as out:
            out.truncate(size)
        run(["mkfs.ext4", "-q", "-m", "0", "-E", "lazy_itable_init=1,lazy_journal_init=1", part])
        part.rename(file)
    DISK.mkdir(exist_ok=True)
    # A container has the devices that there were when it began, which may all be in use by now.
    free = run(["losetup", "--find"], check=False, hint=hint).stdout.strip()
    if free and not Path(free).exists():
        number = int(free.removeprefix("/dev/loop"))
        os.mknod(free, stat.S_IFBLK | 0o660, os.makedev(LOOP_MAJOR, number))
    run(["mount", "-o", "loop,noatime", file, DISK], hint=hint)
