"""Do the SIPp scenarios hold together, and are its figures read rightly?"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from sipp.scenarios import Callee, Caller
from sipp.sipp import Result, callee, caller

SCENARIOS = [
    Caller(),
    Caller(media=True, hold_ms=1000),
    Caller(expect=404),
    Caller(username="alice", password="secret"),
    Caller(username="alice", password="secret", expect=403),
    Caller(callee_hangs_up=True),
    Caller(from_domain="pbx.example"),
    Callee(),
    Callee(media=True),
    Callee(status=486),
    Callee(hangs_up_after_ms=100),
    Callee(silent=True),
    Callee(username="alice", password="secret", realm="example.org"),
]

ASKS_FOR_LOGIN = Callee(username="alice", password="secret", realm="example.org")
LOGS_IN = Caller(username="alice", challenge=401)


class Loopback:
    """A host that needs no namespace; only for calls from one loopback address to another."""

    def __init__(self, address: str) -> None:
        self.address = address

    def popen(self, args: Sequence[str | Path], **options: Any) -> subprocess.Popen[str]:
        return subprocess.Popen(args, text=True, **options)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=repr)
def test_scenario_is_xml_whose_messages_have_no_gap_in_their_headers(
    scenario: Caller | Callee,
) -> None:
    root = ElementTree.fromstring(scenario.text())

    messages = [(element.text or "").strip("\n") for element in root.iter("send")]
    assert messages or scenario == Callee(silent=True)
    for message in messages:
        message = message.strip()
        headers, _, body = message.partition("\n\n")
        assert "Content-Length:" in headers.splitlines()[-1], message
        assert ("v=0" in message) == body.startswith("v=0"), message


def _call(tmp_path: Path, answering: Callee, calling: Caller, calls: int = 3) -> Result:
    pbx, carrier = Loopback("127.0.0.3"), Loopback("127.0.0.2")
    with (
        callee(pbx, tmp_path / "pbx", answering),
        caller(
            carrier, tmp_path / "carrier", calling, to=pbx.address, number="100", calls=calls
        ) as process,
    ):
        return process.wait(100)


@pytest.mark.sip
@pytest.mark.parametrize(
    ("answering", "calling"),
    [
        (Callee(), Caller()),
        (Callee(media=True), Caller(media=True)),
        (Callee(status=404), Caller(expect=404)),
        (Callee(hangs_up_after_ms=100), Caller(callee_hangs_up=True)),
        (ASKS_FOR_LOGIN, replace(LOGS_IN, password="secret")),
        (ASKS_FOR_LOGIN, replace(LOGS_IN, password="guess", expect=403)),
        (ASKS_FOR_LOGIN, replace(LOGS_IN, username="bob", password="secret", expect=403)),
    ],
    ids=["answered", "media", "refused", "callee hangs up", "login", "bad password", "bad user"],
)
def test_scenarios_talk_to_each_other(tmp_path: Path, answering: Callee, calling: Caller) -> None:
    result = _call(tmp_path, answering, calling)

    assert result.ok, (result.folder / "errors.log").read_text()
    assert (result.placed, result.answered, result.failed) == (3, 3, 0)
    assert len(result.setup_ms) == 3


@pytest.mark.sip
def test_a_refused_call_counts_as_failed(tmp_path: Path) -> None:
    result = _call(tmp_path, Callee(status=503), Caller())

    assert not result.ok
    assert result.failed == 3


def test_percentile_of_few_and_many_times(tmp_path: Path) -> None:
    def result(*times: float) -> Result:
        return Result("x", 1, 1, 0, 0, times, (), tmp_path)

    assert result().percentile(50) is None
    assert result(7.0).percentile(99) == 7.0
    assert result(1.0, 2.0, 3.0).percentile(50) == 2.0
