"""One form of log line for all programs of an instance."""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path

import pytest

from agent import log
from common.journal import JournalFormatter, line


def test_agent_and_router_confd_write_the_same_form(capsys: pytest.CaptureFixture[str]) -> None:
    log.warning("no answer", address="10.0.0.1")
    agent = capsys.readouterr().err.rstrip("\n")
    record = logging.makeLogRecord(
        {"name": "router_confd", "levelname": "WARNING", "msg": "no %s", "args": ("answer",)}
    )
    confd = JournalFormatter().format(record)

    assert agent[:3] == confd[:3] == "<4>"
    assert json.loads(agent[3:]) == {
        "level": "warning",
        "event": "no answer",
        "address": "10.0.0.1",
    }
    assert json.loads(confd[3:]) == {
        "level": "warning",
        "event": "no answer",
        "logger": "router_confd",
    }


def test_traceback_stays_in_the_line_of_its_event() -> None:
    try:
        raise ValueError("bad\nvalue")
    except ValueError:
        record = logging.makeLogRecord(
            {"name": "x", "levelname": "ERROR", "msg": "failed", "exc_info": sys.exc_info()}
        )
    text = JournalFormatter().format(record)

    assert "\n" not in text
    assert "ValueError: bad" in json.loads(text[3:])["traceback"]


def test_what_json_has_no_type_for_is_text() -> None:
    written = line("info", "written", path=Path("/run/c4"))

    assert written == '<6>{"level": "info", "event": "written", "path": "/run/c4"}'
