"""Credentials of the Consul agent, from Secrets Manager: gossip key, certificates, tokens.

The servers create the first values. Every instance reads the agents' secret; the authorities'
keys and the management token are in the servers' secret only. Servers that start with empty disks
find the same values again, so that agents which lost the old servers can work with the new ones.
"""

from __future__ import annotations

import base64
import json
import os
import random
import uuid
from typing import TYPE_CHECKING, Any

from agent.aws import clients, secrets
from agent.config import Config
from agent.errors import AgentError
from agent.facts import InstanceFacts
from agent.files.atomic import write
from common import paths
from common.topology import Role

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

Value = dict[str, Any]
USER = "consul"
GOSSIP_KEY_BYTES = 32
# Each attempt to join asks EC2 for the servers, and EC2 limits the calls of a whole account. So
# the instances of a deployment without servers ask seldom, and not in step.
JOIN_INTERVAL_MS = (4000, 8000)


def new_server_secret(deployment: str) -> dict[str, Any]:
    """First value of the servers' secret."""
    from agent.consul import pki

    servers = pki.new_authority(f"Consul of {deployment}")
    agents = pki.new_authority(f"Consul agents of {deployment}")
    return {
        "ca_certificate": servers.certificate,
        "ca_key": servers.key,
        "agents_ca_certificate": agents.certificate,
        "agents_ca_key": agents.key,
        "management_token": str(uuid.uuid4()),
        "operator_token": str(uuid.uuid4()),
    }


def new_agent_secret(server_secret: dict[str, Any]) -> dict[str, Any]:
    """First value of the secret that every instance of the deployment reads."""
    return {
        "gossip_key": base64.b64encode(os.urandom(GOSSIP_KEY_BYTES)).decode(),
        "ca_certificate": server_secret["ca_certificate"],
    }


def write_all(config: Config, facts: InstanceFacts) -> None:
    """Write Consul's secret configuration and certificates. Raises `AgentError`."""
    client = clients.client("secretsmanager", config.region)
    try:
        if config.role is Role.CONSUL_SERVER:
            value, more = _of_server(client, config, facts)
        else:
            value, more = _of_tenant(client, config)
        join = {"retry_interval": f"{random.randint(*JOIN_INTERVAL_MS)}ms"}
        text = json.dumps({"encrypt": value["gossip_key"]} | join | more)
        write(paths.CONSUL_TLS / "ca.pem", value["ca_certificate"], mode=0o400, owner=USER)
        write(paths.CONSUL / "secrets.json", text, mode=0o400, owner=USER)
    except KeyError as error:
        raise AgentError(f"secret of Consul: key {error} is absent") from None


def _of_tenant(client: SecretsManagerClient, config: Config) -> tuple[Value, Value]:
    """The agents' secret, and configuration: the tier's token for all callers on the instance."""
    name = config.secrets.consul_tier
    if name is None:
        raise AgentError("secrets.consul_tier: required on a tenant's instance, but absent")
    value = secrets.read(client, config.secrets.consul_agent)
    token = secrets.read(client, name)["token"]
    return value, _tokens(agent=token, default=token)


def _of_server(
    client: SecretsManagerClient, config: Config, facts: InstanceFacts
) -> tuple[Value, Value]:
    """Create the servers' values; return the agents' secret and the servers' configuration."""
    from agent.consul import pki, quorum

    name = config.secrets.consul_server
    if name is None:
        raise AgentError("secrets.consul_server: required on a Consul server, but absent")
    own = secrets.read_or_create(client, name, lambda: new_server_secret(config.deployment))
    value = secrets.read_or_create(
        client, config.secrets.consul_agent, lambda: new_agent_secret(own)
    )
    authority = pki.Pair(own["ca_certificate"], own["ca_key"])
    # The first name is the one that verify_server_hostname requires.
    hosts = (f"server.{config.deployment}.consul", "localhost")
    server = pki.issue_server(authority, hosts, facts.private_ip)
    write(paths.CONSUL_TLS / "server.pem", server.certificate, mode=0o400, owner=USER)
    write(paths.CONSUL_TLS / "server-key.pem", server.key, mode=0o400, owner=USER)
    management, operator = own["management_token"], own["operator_token"]
    text = json.dumps({"management": management, "operator": operator})
    write(paths.CONSUL_TOKENS, text, mode=0o400, owner="c4")
    tokens = _tokens(initial_management=management, agent=management, default=operator)
    more = {"node_id": quorum.node_id(facts.instance_id)}
    return value, tokens | more | _agents_authority(own)


def _tokens(**tokens: str) -> Value:
    return {"acl": {"tokens": tokens}}


def _agents_authority(own: Value) -> Value:
    """The authority for the agents' certificates; replaced servers use the same one.

    It is not the authority of the servers, because an agent may ask for any DNS name, even that
    of a server. In Raft, servers accept only certificates that their own authority has signed.
    """
    config = {"root_cert": own["agents_ca_certificate"], "private_key": own["agents_ca_key"]}
    return {"connect": {"ca_config": config}}
