"""A configuration and facts that several tests use."""

from __future__ import annotations

from typing import Any

from agent.config import Config, Ports, Secrets
from agent.facts import InstanceFacts
from common.topology import Role

GROUP = "c4-demo-acme-router"
FACTS = InstanceFacts.model_validate(
    {
        "instance_id": "i-0123456789abcdef0",
        "region": "eu-central-1",
        "zone": "eu-central-1a",
        "private_ip": "10.40.64.5",
    }
)


def config(**changes: Any) -> Config:
    """Configuration of a router of the demo, with `changes`."""
    values: dict[str, Any] = {
        "deployment": "demo",
        "region": "eu-central-1",
        "role": Role.ROUTER,
        "group": GROUP,
        "service": "acme-router",
        "tags": {},
        "public_address": False,
        "ports": Ports(**dict.fromkeys(Ports.model_fields, 1)),
        "secrets": Secrets(consul_agent="c4/demo/consul/agent"),
        "hook_launching": "launching",
        "hook_terminating": "terminating",
        "drain_s": 60,
        "metric_namespace": "C4/demo",
        "metric_active_calls": "ActiveCalls",
    }
    return Config(**(values | changes))
