"""Routers that live, but whose messages to the SBC are lost."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from testbed.sip.addresses import SBC1
from testbed.sip.agent import Agent, Call
from testbed.sip.netns import dropping
from testbed.sip.plane import Cluster

REPLIES = "@th,64,32 0x5349502f"  # for nft: the payload begins with SIP/
TAKEN = "another router has taken the call"  # what such a router logs


@contextmanager
def unheard(plane: Cluster, *routers: str, replies_only: bool = False) -> Iterator[None]:
    """What they send to sbc1 is lost; or only their replies."""
    plane.nodes["sbc1"].rpc("htable.flush", "router_failed_at")  # of the test before
    addresses = ", ".join(plane.nodes[router].address for router in routers)
    which = REPLIES if replies_only else ""
    with dropping(plane.nodes["sbc1"].namespace, f"ip saddr {{ {addresses} }} {which}"):
        yield


def answered_at_once(caller: Agent, number: int) -> list[Call]:
    """Established calls. With as many as routers each meets another one first, which is so only
    when no probe fails between them."""

    def answered(_: int) -> Call:
        call = caller.call(SBC1)
        assert call.invite().status == 200
        call.ack()
        return call

    with ThreadPoolExecutor(number) as pool:
        return list(pool.map(answered, range(number)))
