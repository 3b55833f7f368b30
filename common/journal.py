"""The form of a log line of our programs: one line of JSON per event, for journald."""

from __future__ import annotations

import json
import logging

# Levels of logging and of syslog. journald takes the priority of a line from its prefix.
_PRIORITY = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}


def line(level: str, event: str, **fields: object) -> str:
    """An event as a line without its end: `<6>{"level": "info", "event": ...}`.

    `level` is one of logging, in lower case; any other has the priority of `debug`. What JSON has
    no type for is written as text.
    """
    text = json.dumps({"level": level, "event": event, **fields}, default=str)
    return f"<{_PRIORITY.get(level, 7)}>{text}"


class JournalFormatter(logging.Formatter):
    """Records of logging in the same form, with the logger's name; tracebacks stay in the line."""

    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, object] = {"logger": record.name}
        if record.exc_info:
            fields["traceback"] = self.formatException(record.exc_info)
        return line(record.levelname.lower(), record.getMessage(), **fields)
