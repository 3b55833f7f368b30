"""Duties of the agent on Consul's leader, which it has for the whole deployment."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from agent.aws import clients
from agent.consul import members
from agent.consul.local import as_agent_error
from agent.errors import AgentError
from common import paths
from common.names import TAG_DEPLOYMENT

if TYPE_CHECKING:
    from agent.config import Config
    from agent.facts import InstanceFacts


def lead(config: Config, facts: InstanceFacts, api: Any) -> None:
    """Do one round of the leader's duties; do nothing on other servers. Raises `AgentError`."""
    if not leads(api, str(facts.private_ip)):
        return
    from agent.consul.acl import AccessControl

    client = clients.client("secretsmanager", config.region)
    ec2 = clients.client("ec2", config.region)
    try:
        AccessControl(api, client, config.deployment, tokens()["operator"]).reconcile()
    finally:  # members of other tenants are removed although one tenant's secret is out of order
        members.remove_terminated(api, ec2)
    # Only after their tokens exist, because an agent remembers a refusal for some time.
    members.rejoin_lost(api, ec2, {TAG_DEPLOYMENT: config.tags[TAG_DEPLOYMENT]})


def tokens() -> dict[str, str]:
    """Values of the servers' tokens: `management`, `operator`. Raises `AgentError`."""
    try:
        found: dict[str, str] = json.loads(paths.CONSUL_TOKENS.read_text(encoding="utf-8"))
        return found
    except (OSError, ValueError) as error:
        raise AgentError(f"{paths.CONSUL_TOKENS}: {error}") from None


def leads(api: Any, address: str) -> bool:
    """True when the Consul server at `address` is the leader. Raises `AgentError`."""
    with as_agent_error("leader"):
        return str(api.status.leader()).rpartition(":")[0] == address
