"""One line of JSON per event on standard error; journald keeps them."""

from __future__ import annotations

import json
import sys

_PRIORITY = {"info": 6, "warning": 4, "error": 3}


def _write(level: str, event: str, fields: dict[str, object]) -> None:
    line = json.dumps({"level": level, "event": event, **fields}, default=str)
    # The prefix is how a service tells journald the priority of a line.
    sys.stderr.write(f"<{_PRIORITY[level]}>{line}\n")
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
