"""The addresses that calls may come from, on their way from router-confd to the SBCs.

The edge must not reach router-confd, which hands out credentials to whoever asks. A router's
agent publishes the addresses in Consul instead; the SBCs' consul-template makes a list of them.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from ipaddress import IPv4Address
from typing import Protocol

from agent import log
from agent.consul.service_discovery import Plane, ask, highest

PATH = "/1.0/kamailio/sources"
VALID_S = 300  # the SBCs do without the list when nobody has confirmed it for so long
CONFIRM_S = 60
MOST = 25_000  # Consul takes half a megabyte under one key


class Store(Protocol):
    """Consul's key-value store; both raise `AgentError`."""

    def get(self, key: str) -> str | None: ...

    def put(self, key: str, value: str) -> None: ...


class TrustedSources:
    """Publishes the list, on one router at a time."""

    def __init__(
        self,
        own: str,
        key: str,
        plane: Callable[[], Plane],
        store: Store,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._own, self._key, self._plane, self._store, self._now = own, key, plane, store, now

    def run(self) -> None:
        """One round: writes when addresses have changed, and every minute. Raises `AgentError`."""
        plane = self._plane()
        if self._own not in plane.routers or highest(self._key, plane.routers) != self._own:
            return
        addresses = fetch(plane.confds)
        if len(addresses) > MOST:
            log.warning("too many sources for the SBCs", sources=len(addresses), most=MOST)
            addresses = []
        if addresses == self._published(self._now() + VALID_S - CONFIRM_S):
            return
        # Text, because consul-template would print a number of this size with an exponent.
        value = {"until": str(int(self._now()) + VALID_S), "addresses": addresses}
        self._store.put(self._key, json.dumps(value))
        log.info("sources published", sources=len(addresses))

    def _published(self, until: float) -> list[str] | None:
        """What stands there and is good until then at least; None otherwise."""
        try:
            value = json.loads(self._store.get(self._key) or "")
            return list(value["addresses"]) if int(value["until"]) >= until else None
        except (ValueError, KeyError, TypeError):
            return None


def fetch(confds: Iterable[str]) -> list[str]:
    """IPv4 addresses, sorted, of the first router-confd that answers. Raises `AgentError`."""
    return ask(
        confds, PATH, "sources", lambda reply: _addresses(s["address"] for s in reply["sources"])
    )


def _addresses(texts: Iterable[str]) -> list[str]:
    """Those that a packet may come from: no names, and no IPv6, which the SBCs do not speak."""
    found = set()
    for text in texts:
        try:
            found.add(IPv4Address(text))
        except ValueError:
            continue
    return [str(address) for address in sorted(found)]
