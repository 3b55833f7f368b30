"""One line of JSON per event on standard error; journald keeps them."""

from __future__ import annotations

import sys

from common import journal


def _write(level: str, event: str, fields: dict[str, object]) -> None:
    sys.stderr.write(f"{journal.line(level, event, **fields)}\n")
    sys.stderr.flush()


def info(event: str, **fields: object) -> None:
    """Something that an operator may want to read later."""
    _write("info", event, fields)


def warning(event: str, **fields: object) -> None:
    """Something that is repeated or worked around."""
    _write("warning", event, fields)


def error(event: str, **fields: object) -> None:
    """Something that needs a person when it stays."""
    _write("error", event, fields)
