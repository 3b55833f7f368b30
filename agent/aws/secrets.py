"""Secrets Manager: read a secret, and create its first value exactly once."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from agent import log
from agent.aws import clients
from agent.errors import AgentError

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

# All instances use one token, so that Secrets Manager accepts the first value and no other.
FIRST_VALUE_TOKEN = "c4-first-value-of-the-secret-0001"


class NoValue(AgentError):
    """Terraform has created the secret, but nobody has given it a value yet."""


class Deleted(AgentError):
    """The secret is marked for deletion."""


class Denied(AgentError):
    """The instance's role does not allow it. This says nothing about whether the secret exists."""


def read(client: SecretsManagerClient, name: str) -> dict[str, Any]:
    """The secret's current value, a JSON object.

    Raises `NoValue`, `Deleted`, `Denied`, `AgentError`.
    """
    from botocore.exceptions import ClientError

    with clients.as_agent_error(f"secret {name}"):
        try:
            text = client.get_secret_value(SecretId=name)["SecretString"]
        except client.exceptions.ResourceNotFoundException:
            raise NoValue(f"secret {name}: has no value yet") from None
        except client.exceptions.InvalidRequestException:
            raise Deleted(f"secret {name}: is marked for deletion") from None
        except ClientError as error:
            if clients.code(error) != "AccessDeniedException":
                raise
            raise Denied(f"secret {name}: {error}") from None
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
    """The secret's value; if it has none yet, the one that `make` returns is stored first.

    When several instances do this at once, one value wins and all of them return it.
    """
    try:
        return read(client, name)
    except NoValue:
        pass
    with clients.as_agent_error(f"first value of secret {name}"):
        try:
            client.put_secret_value(
                SecretId=name,
                ClientRequestToken=FIRST_VALUE_TOKEN,
                SecretString=json.dumps(make()),
            )
            log.info("secret created", secret=name)
        except client.exceptions.ResourceExistsException:
            log.info("secret created by another instance", secret=name)
    return read(client, name)
