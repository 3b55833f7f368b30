"""Access control of Consul: what each tenant's instances may see and change.

Consul denies everything by default. The leader's agent keeps one policy and one token for each
tenant; the token's value is a secret that only the tenant's instances (and the servers) read.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from agent import aws, log, secrets
from agent.local_consul import one_line
from settings import facts
from settings.facts import Tier

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

OPERATOR = "operator-read"
Rules = dict[str, Any]


def tenant_rules(tenant: str) -> Rules:
    """Write the own nodes, services, keys, read those and the servers; nothing else exists."""
    own = facts.node_prefix(tenant)
    services = {facts.service_name(tenant, tier): {"policy": "write"} for tier in Tier}
    return {
        "node_prefix": {
            own: {"policy": "write"},
            facts.node_prefix(facts.CONSUL_SERVER): {"policy": "read"},
        },
        "agent_prefix": {own: {"policy": "write"}},
        "service": services | {facts.CONSUL_SERVER: {"policy": "read"}},
        "key_prefix": {facts.key_prefix(tenant): {"policy": "write"}},
    }


def operator_rules() -> Rules:
    """Read all, for whoever looks around on a Consul server."""
    everything = {"": {"policy": "read"}}
    return {
        "node_prefix": everything,
        "service_prefix": everything,
        "agent_prefix": everything,
        "operator": "read",
    }


def accessor(secret_id: str) -> str:
    """Public id of a token, from its value: making it again is noticed."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, secret_id))


class AccessControl:
    """Policies and tokens, made equal to the tenants that exist."""

    def __init__(
        self, api: Any, client: SecretsManagerClient, deployment: str, operator_token: str
    ) -> None:
        self._api = api  # consul.Consul with the management token
        self._client = client
        self._deployment = deployment
        self._operator_token = operator_token

    def reconcile(self) -> None:
        """Make what is missing. Raises `AgentError`; repeat it."""
        with one_line("access control"):
            self._ensure(OPERATOR, operator_rules(), self._operator_token)
            for tenant in self._tenants():
                self._ensure_tenant(tenant)

    def _tenants(self) -> Iterator[str]:
        """Tenants whose Terraform stack has made the secret of their token."""
        for name in self._secrets():
            tenant = name.split("/")[2]
            if name == facts.secret_name(self._deployment, tenant, facts.CONSUL_SERVER):
                yield tenant

    def _secrets(self) -> Iterator[str]:
        """Names of the deployment's secrets."""
        prefix = facts.secret_name(self._deployment, "")
        more: dict[str, Any] = {}
        while True:
            with aws.one_line("list of secrets"):
                page = self._client.list_secrets(
                    Filters=[{"Key": "name", "Values": [prefix]}], MaxResults=100, **more
                )
            yield from (secret["Name"] for secret in page["SecretList"])
            if "NextToken" not in page:
                return
            more = {"NextToken": page["NextToken"]}

    def _ensure_tenant(self, tenant: str) -> None:
        """The token exists in Consul before anybody can read it: agents remember a refusal."""
        name = facts.secret_name(self._deployment, tenant, facts.CONSUL_SERVER)
        rules = tenant_rules(tenant)
        try:
            token = str(secrets.read(self._client, name)["token"])
        except secrets.NoValue:
            candidate = str(uuid.uuid4())
            self._ensure(f"tenant-{tenant}", rules, candidate)
            value = secrets.read_or_create(self._client, name, lambda: {"token": candidate})
            token = str(value["token"])  # another leader may have been faster
        self._ensure(f"tenant-{tenant}", rules, token)

    def _ensure(self, policy: str, rules: Rules, secret_id: str) -> None:
        """A policy of that name with these rules, and the token with it."""
        acl = self._api.acl
        known = {found["Name"]: found["ID"] for found in acl.policy.list()}
        if policy not in known:
            acl.policy.create(policy, rules=rules)
            log.info("policy made", policy=policy)
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
            log.info("token made", policy=policy)
