"""Errors that a user can act on, and the exit status of each."""

from __future__ import annotations

FAILED = 1  # the work was done, with a bad result
BAD_INPUT = 2  # the request cannot be done as it was given
INTERRUPTED = 130


class CommandError(Exception):
    """Ends the command with `message` and, below it, a hint what to do next."""

    def __init__(self, message: str, hint: str = "", status: int = FAILED) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.status = status
