"""The process of a lab's daemon: find, start and end it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from host.errors import HostError
from lab.machines import cgroups
from lab.names import Names

START_LIMIT: Final = 120.0  # seconds
ROOT: Final = Path(__file__).parent.parent


def find(names: Names) -> dict[str, int] | None:
    """Status of the running daemon; its process id is verified, as it may have been reused."""
    try:
        status: dict[str, int] = json.loads(names.status_file.read_text())
        command = Path(f"/proc/{status['pid']}/cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError):
        return None
    return status if b"lab.daemon" in command and names.lab.encode() in command else None


def start(names: Names) -> None:
    """Start the daemon and wait until it serves. Raises `HostError` with the end of its log."""
    log = names.log_dir / "daemon.log"
    # In its control group from the first moment, so that a sweep finds it however it began.
    command = cgroups.command_in(
        [sys.executable, "-m", "lab.daemon", names.lab], names.cgroup, "daemon"
    )
    with log.open("ab") as out:
        process = subprocess.Popen(
            command, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True,
        )  # fmt: skip
    deadline = time.monotonic() + START_LIMIT
    while find(names) is None:
        if process.poll() is not None or time.monotonic() > deadline:
            tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
            raise HostError(f"the lab's daemon did not start:\n{tail}", f"see {log}")
        time.sleep(0.05)


def terminate(pid: int, limit: float) -> None:
    """Send SIGTERM and wait for the end. The sweep kills a process that does not end."""
    try:
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + limit
        while time.monotonic() < deadline:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
            if state == "Z":
                return
            time.sleep(0.05)
    except (ProcessLookupError, FileNotFoundError):
        return
