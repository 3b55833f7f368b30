"""The one kind of error of what works on this host: lab, image, caches, builds."""

from __future__ import annotations


class HostError(Exception):
    """Something that the user can act on: what failed, and `hint`, what to do about it."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(f"{message}\n  hint: {hint}" if hint else message)
        self.hint = hint
