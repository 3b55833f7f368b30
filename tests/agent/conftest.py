"""AWS in the process (moto), as the agent sees it, and Consul on loopback."""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from moto import mock_aws

from agent.consul import members
from testbed.consul.cluster import LoopbackCluster

REGION = "eu-central-1"


@pytest.fixture(scope="module")
def aws() -> Iterator[str]:
    """Region of an AWS account, one per module: making one takes a second.

    Not one for all tests: moto forgets nothing while an outer `mock_aws` is open.
    """
    with pytest.MonkeyPatch.context() as patch:
        for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
            patch.setenv(variable, "test")
        patch.delenv("AWS_ENDPOINT_URL", raising=False)
        with mock_aws():
            yield REGION


@pytest.fixture
def tenant() -> str:
    """A tenant of the test's own."""
    return f"t{uuid.uuid4().hex[:8]}"


@pytest.fixture
def cluster(tmp_path: Path, aws: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackCluster]:
    """Consul servers and agents on loopback; a lost member may be joined again at once."""
    monkeypatch.setattr(members, "TIME_TO_JOIN", datetime.timedelta(0))
    made = LoopbackCluster(tmp_path, monkeypatch, aws)
    try:
        yield made
    finally:
        made.stop()
