"""The tenant's SIP plane, as Consul knows it, and who of it does what is done once."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, TypeVar

import requests

from agent.consul.local import LocalConsul
from agent.errors import AgentError
from common import names
from common.topology import Tier

TIMEOUT_S = 2.0
T = TypeVar("T")


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
        return consul.instances(names.service_name(tags[names.TAG_TENANT], tier))

    confds = [f"http://{i['Address']}:{i['Port']}" for i in instances(Tier.ROUTER_CONFD)]
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


def ask(confds: Iterable[str], path: str, what: str, read: Callable[[Any], T]) -> T:
    """What `read` makes of the JSON of the first router-confd that answers well.

    It may raise ValueError, KeyError or TypeError: then the next one is asked. Raises
    `AgentError`, which names `what`.
    """
    problem = "no router-confd"
    for base in confds:
        try:
            reply = requests.get(base + path, timeout=TIMEOUT_S)
            reply.raise_for_status()
            return read(reply.json())
        except (requests.RequestException, ValueError, KeyError, TypeError) as error:
            problem = f"{base}: {type(error).__name__}"
    raise AgentError(f"{what}: {problem}")


def highest(task: str, candidates: Iterable[str]) -> str:
    """Rendezvous hashing: all agree on who has the task; when one goes, only its tasks move."""
    return max(candidates, key=lambda c: hashlib.sha256(f"{task}|{c}".encode()).digest())
