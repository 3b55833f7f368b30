"""AWS in the process (moto), as the agent sees it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
from moto import mock_aws

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
