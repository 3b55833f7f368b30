"""The log: one line of JSON for each event, on standard error, which journald stores."""

from __future__ import annotations

import sys

from common import journal


def _write(level: str, event: str, fields: dict[str, object]) -> None:
    sys.stderr.write(f"{journal.line(level, event, **fields)}\n")
    sys.stderr.flush()


def info(event: str, **fields: object) -> None:
    """Log an event that an operator may want to read later."""
    _write("info", event, fields)


def warning(event: str, **fields: object) -> None:
    """Log a problem that is repeated or worked around."""
    _write("warning", event, fields)


def error(event: str, **fields: object) -> None:
    """Log a problem that needs a person if it persists."""
    _write("error", event, fields)
