"""Clients of AWS. boto3 is imported on first use, because it takes most of a command's start."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from agent.errors import AgentError

if TYPE_CHECKING:
    from typing import Literal

    from mypy_boto3_autoscaling import AutoScalingClient
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_rds import RDSClient
    from mypy_boto3_secretsmanager import SecretsManagerClient

# The trust store of the system, which updates of the image maintain; botocore brings its own.
TRUSTED = Path("/etc/ssl/certs/ca-certificates.crt")
CONNECT_TIMEOUT_S = 3
READ_TIMEOUT_S = 10


@functools.cache
def _session(region: str) -> Any:
    import boto3

    return boto3.session.Session(region_name=region)


if TYPE_CHECKING:

    @overload
    def client(name: Literal["ec2"], region: str) -> EC2Client: ...
    @overload
    def client(name: Literal["autoscaling"], region: str) -> AutoScalingClient: ...
    @overload
    def client(name: Literal["secretsmanager"], region: str) -> SecretsManagerClient: ...
    @overload
    def client(name: Literal["rds"], region: str) -> RDSClient: ...
    @overload
    def client(name: Literal["cloudwatch"], region: str) -> CloudWatchClient: ...
    @overload
    def client(name: Literal["s3"], region: str) -> Any: ...


def client(name: str, region: str) -> Any:
    """A client with short timeouts. Its callers repeat a failed step, so that it is logged."""
    from botocore.config import Config

    config = Config(
        connect_timeout=CONNECT_TIMEOUT_S,
        read_timeout=READ_TIMEOUT_S,
        retries={"mode": "standard", "max_attempts": 2},
    )
    verify = str(TRUSTED) if TRUSTED.exists() else None
    return _session(region).client(name, config=config, verify=verify)


@contextmanager
def as_agent_error(what: str) -> Iterator[None]:
    """Turn an error of AWS or of the network into an `AgentError` of one line."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise AgentError(f"{what}: {' '.join(str(error).split())}") from error


def code(error: BaseException | None) -> str:
    """The AWS error code of a `ClientError`; "" for any other error."""
    response = getattr(error, "response", None)
    return str(response.get("Error", {}).get("Code", "")) if isinstance(response, dict) else ""
