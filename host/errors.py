"""The error that all code for this host raises: lab, image, caches, builds."""

from __future__ import annotations


class HostError(Exception):
    """An error that the user can act on: it says what failed, and `hint` what to do about it."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(f"{message}\n  hint: {hint}" if hint else message)
        self.hint = hint


class InputError(HostError):
    """What was asked for cannot be done as it was given: a setting or an argument must change."""
