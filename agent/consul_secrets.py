"""What the Consul agent needs of Secrets Manager, as its second configuration directory."""

from __future__ import annotations

import base64
import json
import os
from typing import Any

from agent import aws, paths, secrets
from agent.config import Config, Kind
from agent.write import write

GOSSIP_KEY_BYTES = 32


def new_agent_secret() -> dict[str, Any]:
    """First value of the secret that every instance of the deployment reads."""
    return {"gossip_key": base64.b64encode(os.urandom(GOSSIP_KEY_BYTES)).decode()}


def write_all(config: Config) -> None:
    """Write Consul's secret configuration. Raises `AgentError` until the servers made it.

    The Consul servers make the first value; everybody else waits for it.
    """
    client = aws.client("secretsmanager", config.region)
    name = config.secrets.consul_agent
    if config.kind is Kind.CONSUL:
        value = secrets.read_or_create(client, name, new_agent_secret)
    else:
        value = secrets.read(client, name)
    text = json.dumps({"encrypt": value["gossip_key"]})
    write(paths.CONSUL / "secrets.json", text, mode=0o400, owner="consul")
