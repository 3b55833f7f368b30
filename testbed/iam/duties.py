"""What an agent asks of AWS during the life of an instance, by its own functions.

Consul is an object in memory, and so is nothing that AWS answers.
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from agent import bundle
from agent.aws import clients, eip, metrics, router_confd
from agent.aws.lifecycle_hooks import Hooks
from agent.config import Config
from agent.consul import credentials, members
from agent.consul.acl import AccessControl
from agent.facts import InstanceFacts
from agent.kamailio import certificate, tier_addresses
from common.names import TAG_DEPLOYMENT
from common.topology import Role, Tier

Duty = Callable[[], object]


class Acl:
    """Consul's policies and tokens: the part of its API that `AccessControl` uses."""

    def __init__(self) -> None:
        self.policies: dict[str, dict[str, Any]] = {}
        self.tokens: list[dict[str, Any]] = []
        self.policy = SimpleNamespace(
            list=lambda: list(self.policies.values()),
            read=lambda name: self.policies[name],
            create=self._policy,
            update=lambda _id, name, rules: self._policy(name, rules),
            delete=lambda name: self.policies.pop(name),
        )
        self.token = SimpleNamespace(
            list=lambda: self.tokens, create=self._token, delete=self._forget
        )

    def _policy(self, name: str, rules: Any) -> None:
        import json

        self.policies[name] = {"ID": name, "Name": name, "Rules": json.dumps(rules)}

    def _token(self, accessor_id: str, policies_name: list[str], **_: Any) -> None:
        self.tokens.append(
            {"AccessorID": accessor_id, "Policies": [{"ID": name} for name in policies_name]}
        )

    def _forget(self, accessor_id: str) -> None:
        self.tokens = [t for t in self.tokens if t["AccessorID"] != accessor_id]


def consul(acl: Acl) -> Any:
    """Consul's API without members."""
    agent = SimpleNamespace(members=list, join=lambda _: None)
    return SimpleNamespace(acl=acl, agent=agent)


def duties(config: Config, facts: InstanceFacts, place: bundle.Place) -> dict[str, Duty]:
    """By name: everything that asks AWS, from the boot to the end of the drain."""
    region, tags = config.region, config.tags

    def ec2() -> Any:
        return clients.client("ec2", region)

    hooks = Hooks(clients.client("autoscaling", region), config, facts)
    found: dict[str, Duty] = {
        "Consul's retry_join": lambda: ec2().describe_instances(
            Filters=[{"Name": f"tag:{TAG_DEPLOYMENT}", "Values": [config.deployment]}]
        ),
    }
    found["files"] = lambda: bundle.fetch(clients.client("s3", region), place)
    if config.public_address:
        found["address"] = lambda: eip.claim(ec2(), tags, facts.instance_id)
    if config.role is Role.SBC:
        found["addresses of the tier"] = lambda: tier_addresses.refresh(config)
        found["certificate"] = lambda: certificate.refresh(config, facts)
    found["credentials of Consul"] = lambda: credentials.write_all(config, facts)
    if config.role is Role.ROUTER_CONFD:
        found["secrets of router-confd"] = lambda: router_confd.write_secrets(config, facts)
        found["database"] = lambda: router_confd.write_database(config, facts)
    if config.role is Role.CONSUL_SERVER:
        api = consul(Acl())
        secrets = clients.client("secretsmanager", region)
        found["access of tenants"] = AccessControl(
            api, secrets, config.deployment, "operator"
        ).reconcile
        found["lost members"] = lambda: members.rejoin_lost(
            api, ec2(), {TAG_DEPLOYMENT: config.deployment}
        )
    found["heartbeat"] = lambda: hooks.heartbeat(config.hook_launching)
    found["launch"] = lambda: hooks.complete(config.hook_launching)
    if config.role is not Role.CONSUL_SERVER:
        found["bad health"] = hooks.report_unhealthy
    if config.role in (Role.SBC, Role.ROUTER, Role.RTP):
        cloudwatch = clients.client("cloudwatch", region)
        found["metric"] = lambda: metrics.publish(cloudwatch, config, 7)
    if config.public_address:
        found["address is free"] = lambda: eip.unmark_held(ec2(), tags, facts.instance_id)
    return found


ORDER = (Role.CONSUL_SERVER, *(Role(tier.value) for tier in Tier))  # tenants need the servers
