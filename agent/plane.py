"""The tenant's SIP plane, as Consul knows it, and who of it does what is done once."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from agent.local_consul import LocalConsul
from settings import facts
from settings.facts import Tier


class Sbc(NamedTuple):
    """Where a registration goes out, and where the carrier's calls come in."""

    private: str
    public: str


class Plane(NamedTuple):
    """Addresses of the tenant's instances that pass their checks."""

    routers: frozenset[str]
    sbcs: frozenset[Sbc]
    confds: tuple[str, ...]  # `http://ADDRESS:PORT`, the first is asked first


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


def highest(task: str, candidates: Iterable[str]) -> str:
    """Rendezvous hashing: all agree on who has the task; when one goes, only its tasks move."""
    return max(candidates, key=lambda c: hashlib.sha256(f"{task}|{c}".encode()).digest())
