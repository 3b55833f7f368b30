"""Ctrl-C, `kill` and a closed terminal: raise an exception, so that all blocks clean up."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

TERRAFORM = {"terraform", "tofu"}


class Interrupted(BaseException):
    """Raised when the user ends the command by a signal."""


def install() -> None:
    """Turn the signals that end a command into `Interrupted`."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _handle)


def _handle(number: int, frame: FrameType | None) -> None:
    # Ctrl-C in a terminal also reaches Terraform, and a second one would make it abandon its
    # state. Other signals reach this process only, so they are passed on.
    if number != signal.SIGINT:
        for child in _children(os.getpid()):
            if child.name in TERRAFORM:
                os.kill(child.pid, signal.SIGINT)
    raise Interrupted


class _Child:
    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.name = Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").strip()


def _children(pid: int) -> Iterator[_Child]:
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text(encoding="utf-8").split():
            try:
                yield _Child(int(child))
            except FileNotFoundError:  # the process has just ended
                continue
