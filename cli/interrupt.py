"""Ctrl-C, `kill`, a closed terminal: every block on the way out tidies up, and Terraform stops."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

TERRAFORM = {"terraform", "tofu"}


class Interrupted(BaseException):
    """The user wants the command to end."""


def install() -> None:
    """Turn the signals that end a command into `Interrupted`."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _handle)


def _handle(number: int, frame: FrameType | None) -> None:
    # A terminal's Ctrl-C has reached Terraform as well; a second one would make it give up its
    # state. Other signals have reached this process only.
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
            except FileNotFoundError:  # it has just ended
                continue
