"""Publish the provisioned sources, which router-confd knows, for the SBCs.

SBCs must not reach router-confd, which gives credentials to every client. Instead a router's
agent publishes the addresses in Consul, and the SBCs' consul-template makes a list of them.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from ipaddress import IPv4Address
from typing import Protocol

from agent import log
from agent.consul.service_discovery import HealthyInstances, ask, elect

PATH = "/1.0/kamailio/sources"
VALID_S = 300  # SBCs stop using a list that was not confirmed for so long
CONFIRM_S = 60
MAX_ADDRESSES = 25_000  # Consul accepts half a megabyte for one key


class Store(Protocol):
    """Consul's key-value store; both raise `AgentError`."""

    def get(self, key: str) -> str | None: ...

    def put(self, key: str, value: str) -> None: ...


class ProvisionedSources:
    """Publishes the list; only one router of the tenant does so at a time."""

    def __init__(
        self,
        own: str,
        key: str,
        healthy: Callable[[], HealthyInstances],
        store: Store,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._own, self._key, self._healthy, self._store, self._now = own, key, healthy, store, now

    def run(self) -> None:
        """Do one round: write changed addresses at once, others every minute.

        Raises `AgentError`.
        """
        healthy = self._healthy()
        if self._own not in healthy.routers or elect(self._key, healthy.routers) != self._own:
            return
        addresses = fetch(healthy.router_confds)
        if len(addresses) > MAX_ADDRESSES:
            log.warning("too many provisioned sources", sources=len(addresses), limit=MAX_ADDRESSES)
            addresses = []
        if addresses == self._published(self._now() + VALID_S - CONFIRM_S):
            return
        # Text, because consul-template would print a number of this size with an exponent.
        value = {"until": str(int(self._now()) + VALID_S), "addresses": addresses}
        self._store.put(self._key, json.dumps(value))
        log.info("provisioned sources published", sources=len(addresses))

    def _published(self, until: float) -> list[str] | None:
        """The published addresses if they are valid until then at least, else None."""
        try:
            value = json.loads(self._store.get(self._key) or "")
            return list(value["addresses"]) if int(value["until"]) >= until else None
        except (ValueError, KeyError, TypeError):
            return None


def fetch(router_confds: Iterable[str]) -> list[str]:
    """IPv4 addresses, sorted, from the first router-confd that answers. Raises `AgentError`."""
    return ask(
        router_confds,
        PATH,
        "sources",
        lambda reply: _addresses(s["address"] for s in reply["sources"]),
    )


def _addresses(texts: Iterable[str]) -> list[str]:
    """The IPv4 addresses among `texts`, sorted: SBCs use neither names nor IPv6 addresses."""
    found = set()
    for text in texts:
        try:
            found.add(IPv4Address(text))
        except ValueError:
            continue
    return [str(address) for address in sorted(found)]
