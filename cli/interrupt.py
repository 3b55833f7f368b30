"""Ctrl-C, `kill` and a closed terminal: raise an exception, so that all blocks clean up."""

from __future__ import annotations

import contextlib
import os
import signal
from types import FrameType

from lab.terraform import runner

STILL_ENDING = b"\nc4: ending already; Terraform is writing down what it has made\n"
_STDERR = 2
_begun = False


class Interrupted(BaseException):
    """Raised when the user ends the command by a signal."""


def install() -> None:
    """Turn the first of the signals that end a command into `Interrupted`.

    Those that follow only say that the command is ending: they would break off the cleaning up.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _handle)


def _handle(number: int, frame: FrameType | None) -> None:
    global _begun
    if _begun:
        with contextlib.suppress(OSError):  # the terminal has been closed
            os.write(_STDERR, STILL_ENDING)
        return
    _begun = True
    runner.interrupt()
    raise Interrupted
