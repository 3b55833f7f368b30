"""Control groups (version 2): one per machine, so that no process of it can escape a kill.

Only the unified hierarchy is used. The host may have it mounted alone, or beside version 1.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Sequence
from pathlib import Path

from host.errors import HostError


def root() -> Path:
    """Mount point of the host's unified hierarchy."""
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, target, kind, *_ = line.split(" ")
        if kind == "cgroup2":
            return Path(target)
    raise HostError(
        "no unified control group hierarchy is mounted on this host",
        "mkdir -p /sys/fs/cgroup/unified && mount -t cgroup2 cgroup2 /sys/fs/cgroup/unified",
    )


def create(*names: str) -> Path:
    """Make the nested group `names` and return its directory."""
    group = root().joinpath(*names)
    group.mkdir(parents=True, exist_ok=True)
    return group


def command_in(command: Sequence[str], *names: str) -> list[str]:
    """The command line that runs `command` in the nested group `names`, with the same pid."""
    move = 'echo $$ >"$0/cgroup.procs" && exec "$@"'
    return ["sh", "-c", move, str(create(*names)), *command]


def processes(group: Path) -> list[int]:
    """Process ids in the group and below it."""
    found: list[int] = []
    for directory, _, _ in os.walk(group):  # ignores vanished directories, where rglob() raises
        try:
            file = Path(directory, "cgroup.procs")
            found.extend(int(pid) for pid in file.read_text().split())
        except OSError:
            continue  # it has just been removed
    return sorted(set(found))


def kill(group: Path, timeout: float = 10) -> None:
    """End every process in the group with SIGKILL and remove the group.

    Raises `HostError` when processes remain after `timeout` seconds.
    """
    if not group.is_dir():
        return
    deadline = time.monotonic() + timeout
    while processes(group):
        if time.monotonic() > deadline:
            raise HostError(f"processes {processes(group)} survive SIGKILL in {group}")
        with contextlib.suppress(FileNotFoundError):  # the machine's watcher may remove it as well
            (group / "cgroup.kill").write_text("1")
        time.sleep(0.02)
    remove(group)


def remove(group: Path) -> None:
    """Remove an empty group with all groups below it."""
    for directory, _, _ in os.walk(group, topdown=False):  # ignores vanished directories
        _rmdir(Path(directory))


def _rmdir(directory: Path) -> None:
    for _ in range(50):
        try:
            directory.rmdir()
            return
        except FileNotFoundError:
            return
        except OSError:  # busy for a moment after the last process has ended
            time.sleep(0.02)
