"""Secrets Manager: reading, and making a secret's first value exactly once."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from agent import log
from agent.aws import clients
from agent.errors import AgentError

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

# One token for all instances: Secrets Manager then accepts the first value and refuses others.
FIRST_VALUE_TOKEN = "c4-first-value-of-the-secret-0001"


class NoValue(AgentError):
    """The secret exists in Terraform's eyes, but nobody has given it a value yet."""


class Deleted(AgentError):
    """The secret is marked for deletion."""


def read(client: SecretsManagerClient, name: str) -> dict[str, Any]:
    """The secret's current value, a JSON object. Raises `NoValue`, `Deleted`, `AgentError`."""
    with clients.one_line(f"secret {name}"):
        try:
            text = client.get_secret_value(SecretId=name)["SecretString"]
        except client.exceptions.ResourceNotFoundException:
            raise NoValue(f"secret {name}: has no value yet") from None
        except client.exceptions.InvalidRequestException:
            raise Deleted(f"secret {name}: is marked for deletion") from None
    try:
        value = json.loads(text)
    except json.JSONDecodeError:
        raise AgentError(f"secret {name}: is not JSON") from None  # and its text is not logged
    if not isinstance(value, dict):
        raise AgentError(f"secret {name}: must be a JSON object")
    return value


def read_or_create(
    client: SecretsManagerClient, name: str, make: Callable[[], dict[str, Any]]
) -> dict[str, Any]:
    """The secret's value; `make`'s when it has none yet.

    When several instances come together, the value of one wins and all return it.
    """
    try:
        return read(client, name)
    except NoValue:
        pass
    with clients.one_line(f"first value of secret {name}"):
        try:
            client.put_secret_value(
                SecretId=name,
                ClientRequestToken=FIRST_VALUE_TOKEN,
                SecretString=json.dumps(make()),
            )
            log.info("secret made", secret=name)
        except client.exceptions.ResourceExistsException:
            log.info("secret made by another instance", secret=name)
    return read(client, name)
