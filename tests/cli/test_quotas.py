"""Does `c4 quotas` end with the right status, whatever AWS says?"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable

import pytest
from moto import mock_aws

from cli import app, interrupt
from quotas.account import Account

Run = Callable[..., object]


@pytest.fixture
def status(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs the command in this process and returns its exit status."""
    monkeypatch.setattr(interrupt, "install", lambda: None)

    def run(*arguments: str) -> object:
        monkeypatch.setattr(sys, "argv", ["c4", *arguments])
        with pytest.raises(SystemExit) as end:
            app.main()
        return end.value.code

    return run


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")


@mock_aws
def test_an_account_with_too_little_is_status_1(
    status: Run, credentials: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status("quotas", "demo") == 1
    shown = capsys.readouterr().out
    assert "Elastic IPs" in shown
    assert "L-0263D0A3" in shown


@mock_aws
def test_json_is_for_programs(
    status: Run, credentials: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status("quotas", "demo", "--json") == 1
    data = json.loads(capsys.readouterr().out)
    assert data["enough"] is False
    (addresses,) = (q for q in data["quotas"] if q["title"] == "Elastic IPs")
    assert (addresses["needed"], addresses["allowed"]) == (10, 5)


@mock_aws
def test_an_account_with_enough_is_status_0(
    status: Run, credentials: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Account, "allowed", lambda *_: (10_000, True))
    assert status("quotas", "demo") == 0


def test_without_credentials_the_message_says_what_is_missing(
    status: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    assert status("quotas", "demo") == 2
    shown = capsys.readouterr().err
    assert "credentials" in shown
    assert "Traceback" not in shown


def test_an_unknown_deployment_is_status_2(status: Run) -> None:
    assert status("quotas", "nowhere") == 2
