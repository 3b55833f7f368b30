"""The tenant's healthy instances according to Consul, and the choice of one for a single task."""

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
    """An SBC: registrations are sent through `private`, and calls of carriers reach `public`."""

    private: str
    public: str


class HealthyInstances(NamedTuple):
    """Addresses of the tenant's instances that pass their checks."""

    routers: frozenset[str]
    sbcs: frozenset[Sbc]
    router_confds: tuple[str, ...]  # `http://ADDRESS:PORT`, in the order in which to try them


def healthy_instances(consul: LocalConsul, tags: Mapping[str, str]) -> HealthyInstances:
    """The instances of the tenant in `tags` that pass their checks. Raises `AgentError`."""

    def instances(tier: Tier) -> list[dict[str, Any]]:
        return consul.instances(names.service_name(tags[names.TAG_TENANT], tier))

    router_confds = [f"http://{i['Address']}:{i['Port']}" for i in instances(Tier.ROUTER_CONFD)]
    random.shuffle(router_confds)
    return HealthyInstances(
        routers=frozenset(i["Address"] for i in instances(Tier.ROUTER)),
        sbcs=frozenset(
            Sbc(i["Address"], i["Meta"]["public_ip"])
            for i in instances(Tier.SBC)
            if i["Meta"].get("public_ip")
        ),
        router_confds=tuple(router_confds),
    )


def ask(router_confds: Iterable[str], path: str, what: str, read: Callable[[Any], T]) -> T:
    """GET `path` from the first router-confd that gives a good answer; `read` decodes its JSON.

    When `read` raises ValueError, KeyError or TypeError, the next one is tried. Raises
    `AgentError`, which names `what`.
    """
    problem = "no router-confd"
    for base in router_confds:
        try:
            reply = requests.get(base + path, timeout=TIMEOUT_S)
            reply.raise_for_status()
            return read(reply.json())
        except (requests.RequestException, ValueError, KeyError, TypeError) as error:
            problem = f"{base}: {type(error).__name__}"
    raise AgentError(f"{what}: {problem}")


def elect(task: str, candidates: Iterable[str]) -> str:
    """The candidate that has the task, by rendezvous hashing.

    All instances agree without a message. When a candidate goes, only its own tasks move.
    """
    return max(candidates, key=lambda c: hashlib.sha256(f"{task}|{c}".encode()).digest())
