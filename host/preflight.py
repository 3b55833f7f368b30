"""Before anything is built or booted: can this machine do it? What can be mended is mended."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from host import abilities, programs, storage
from host.errors import HostError
from host.run import run

INOTIFY_LIMIT: Final = Path("/proc/sys/fs/inotify/max_user_instances")
INOTIFY_INSTANCES: Final = 1024
MOUNTS: Final = Path("/proc/self/mounts")
UNIFIED: Final = Path("/sys/fs/cgroup/unified")  # beside version 1, where systemd has it too
Progress = Callable[[str], None]


def require_host() -> None:
    """Raise `HostError` unless this user and this machine can run machines."""
    if reasons := abilities.missing():
        raise HostError(
            f"the local cloud cannot boot machines here: {'; '.join(reasons)}", abilities.advice()
        )
    if missing := programs.missing():
        packages = sorted({program.package for program in missing})
        raise HostError(
            f"missing programs: {', '.join(program.name for program in missing)}",
            f"scripts/bootstrap lab, or apt-get install {' '.join(packages)}",
        )


def prepare(progress: Progress) -> None:
    """Check this machine, and prepare it for overlays and machines. Raises `HostError`."""
    require_host()
    storage.prepare(progress)
    mount_control_groups(progress)


def mount_control_groups(progress: Progress) -> None:
    """Mount the unified hierarchy of control groups where there is version 1 only (a container)."""
    kinds = {line.split(" ")[2] for line in MOUNTS.read_text().splitlines()}
    if "cgroup2" not in kinds:
        progress(f"mounting the unified control groups at {UNIFIED}")
        UNIFIED.mkdir(parents=True, exist_ok=True)
        run(["mount", "-t", "cgroup2", "cgroup2", UNIFIED])


def raise_limits(progress: Progress) -> None:
    """Raise the host's limit of inotify instances when a dozen machines would exceed it.

    Distributions set 128 for each user by default, and the systemd of each machine needs some.
    The lab changes no other setting of the host. The change lasts until the next boot.
    """
    try:
        if int(INOTIFY_LIMIT.read_text()) < INOTIFY_INSTANCES:
            progress(f"setting fs.inotify.max_user_instances to {INOTIFY_INSTANCES}")
            INOTIFY_LIMIT.write_text(str(INOTIFY_INSTANCES))
    except OSError as error:
        progress(f"cannot raise fs.inotify.max_user_instances: {error}")
