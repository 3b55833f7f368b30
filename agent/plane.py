"""The tenant's SIP plane, as Consul knows it."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

from agent.local_consul import LocalConsul
from agent.registrations import Plane, Sbc
from settings import facts
from settings.facts import Tier


def of(consul: LocalConsul, tags: Mapping[str, str]) -> Plane:
    """Instances that pass their checks, of the tenant in the tags. Raises `AgentError`."""

    def instances(tier: Tier) -> list[dict[str, Any]]:
        return consul.instances(facts.service_name(tags[facts.TAG_TENANT], tier))

    confds = [f"http://{i['Address']}:{i['Port']}" for i in instances(Tier.CONFD)]
    random.shuffle(confds)
    return Plane(
        routers=frozenset(i["Address"] for i in instances(Tier.ROUTER)),
        sbcs=frozenset(
            Sbc(i["Address"], i["Meta"]["public_ip"])
            for i in instances(Tier.SBC)
            if i["Meta"].get("public_ip")
        ),
        confds=tuple(confds),
    )
