"""Consul's access control: what the instances of each tier of a tenant may see and change.

Consul denies everything by default. The leader's agent keeps one policy and one token for each
tier. The token's value is a secret that only the tier's instances and the servers can read.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from agent import log
from agent.aws import clients, secrets
from agent.consul.local import as_agent_error
from common import names, topology
from common.topology import Tier

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

OPERATOR = "operator-read"
Rules = dict[str, Any]


WRITE, READ = {"policy": "write"}, {"policy": "read"}


def tier_rules(tenant: str, tier: Tier) -> Rules:
    """Rules: write the tier's own nodes and service, read the tenant's and the servers'.

    Nothing else is visible. Routers also write the tenant's keys, which SBCs read.
    """
    own = names.node_prefix(tenant, tier)
    services = {names.service_name(tenant, t): WRITE if t is tier else READ for t in Tier}
    rules: Rules = {
        "node_prefix": {
            own: WRITE,
            names.node_prefix(tenant): READ,
            names.node_prefix(topology.CONSUL_SERVER): READ,
        },
        "agent_prefix": {own: WRITE},
        "service": services | {topology.CONSUL_SERVER: READ},
    }
    if tier.runs_kamailio:
        rules["key_prefix"] = {names.key_prefix(tenant): WRITE if tier is Tier.ROUTER else READ}
    return rules


def policy_name(tenant: str, tier: Tier) -> str:
    """Name of a tier's policy: `tenant-acme-sbc`."""
    return f"tenant-{names.service_name(tenant, tier)}"


def _owner(policy: str) -> tuple[str, Tier] | None:
    """Tenant and tier of a policy's name; None for all others."""
    for tier in Tier:
        name = re.fullmatch(policy_name("(.+)", tier), policy)
        if name is not None:
            return name[1], tier
    return None


def operator_rules() -> Rules:
    """Rules: read everything, for an operator on a Consul server."""
    everything = {"": READ}
    return {
        "node_prefix": everything,
        "service_prefix": everything,
        "agent_prefix": everything,
        "operator": "read",
    }


def accessor(secret_id: str) -> str:
    """Public id of a token, derived from its value, so that a second creation is noticed."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, secret_id))


class AccessControl:
    """Keeps policies and tokens equal to the tiers of tenants that exist."""

    def __init__(
        self, api: Any, client: SecretsManagerClient, deployment: str, operator_token: str
    ) -> None:
        self._api = api  # consul.Consul with the management token
        self._client = client
        self._deployment = deployment
        self._operator_token = operator_token

    def reconcile(self) -> None:
        """Create what is missing, and remove what has no secret. Raises `AgentError`."""
        with as_agent_error("access control"):
            self._ensure(OPERATOR, operator_rules(), self._operator_token)
            tiers = list(self._tiers())
            for name, tenant, tier in tiers:
                self._ensure_tier(name, tenant, tier)
            self._forget({policy_name(tenant, tier) for _, tenant, tier in tiers})

    def _tiers(self) -> Iterator[tuple[str, str, Tier]]:
        """Secret, tenant and tier of each secret that a tenant's Terraform stack has created."""
        for name in self._secrets():
            tenant = name.split("/")[2]
            for tier in Tier:
                if name == names.token_secret(self._deployment, tenant, tier):
                    yield name, tenant, tier

    def _secrets(self) -> Iterator[str]:
        """Names of the deployment's secrets."""
        prefix = names.secret_name(self._deployment, "")
        more: dict[str, Any] = {}
        while True:
            with clients.as_agent_error("list of secrets"):
                page = self._client.list_secrets(
                    Filters=[{"Key": "name", "Values": [prefix]}], MaxResults=100, **more
                )
            yield from (secret["Name"] for secret in page["SecretList"])
            if "NextToken" not in page:
                return
            more = {"NextToken": page["NextToken"]}

    def _ensure_tier(self, name: str, tenant: str, tier: Tier) -> None:
        """Create the token in Consul before anybody can read it: agents remember a refusal."""
        policy, rules = policy_name(tenant, tier), tier_rules(tenant, tier)
        try:
            token = str(secrets.read(self._client, name)["token"])
        except secrets.NoValue:
            candidate = str(uuid.uuid4())
            self._ensure(policy, rules, candidate)
            value = secrets.read_or_create(self._client, name, lambda: {"token": candidate})
            token = str(value["token"])  # another leader may have been faster
        self._ensure(policy, rules, token)

    def _forget(self, present: set[str]) -> None:
        """Remove policies, with their tokens, whose secret was removed with the tenant."""
        acl = self._api.acl
        for policy in acl.policy.list():
            name, owner = policy["Name"], _owner(policy["Name"])
            if owner is None or name in present or self._has_secret(*owner):
                continue
            for token in acl.token.list():
                if any(of["ID"] == policy["ID"] for of in token.get("Policies") or ()):
                    acl.token.delete(token["AccessorID"])
            acl.policy.delete(policy["ID"])
            log.info("policy and tokens removed", policy=name)

    def _has_secret(self, tenant: str, tier: Tier) -> bool:
        """Whether the secret exists. It is looked up by name, as a list may be incomplete.

        To remove the token of a tier in use would end its calls.
        """
        try:
            secrets.read(self._client, names.token_secret(self._deployment, tenant, tier))
        except (secrets.NoValue, secrets.Deleted):
            return False
        except secrets.Denied as error:  # nobody knows; the other tenants must not wait for it
            log.warning("access kept", tenant=tenant, tier=tier.value, reason=error)
        return True

    def _ensure(self, policy: str, rules: Rules, secret_id: str) -> None:
        """Create or correct the policy of that name with these rules, and its token."""
        acl = self._api.acl
        known = {found["Name"]: found["ID"] for found in acl.policy.list()}
        if policy not in known:
            acl.policy.create(policy, rules=rules)
            log.info("policy created", policy=policy)
        elif json.loads(acl.policy.read(known[policy])["Rules"]) != rules:
            acl.policy.update(known[policy], policy, rules=rules)
            log.info("policy changed", policy=policy)
        if accessor(secret_id) not in {found["AccessorID"] for found in acl.token.list()}:
            acl.token.create(
                accessor_id=accessor(secret_id),
                secret_id=secret_id,
                policies_name=[policy],
                description=policy,
            )
            log.info("token created", policy=policy)
