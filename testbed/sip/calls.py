"""Calls of two user agents through a plane."""

from __future__ import annotations

from testbed.sip.addresses import SBC1
from testbed.sip.agent import Agent, Call
from testbed.sip.node import Node
from testbed.sip.plane import Cluster, wait_until


def established(caller: Agent, callee: Agent, via: tuple[str, int] = SBC1) -> tuple[Call, Call]:
    """A confirmed call: the caller's end and the callee's."""
    call = caller.call(via)
    assert call.invite().status == 200
    call.ack()
    other = callee.calls[call.call_id]
    wait_until(lambda: other.state == "confirmed", what="ACK at the callee")
    return call, other


def acknowledged_without_router(plane: Cluster, caller: Agent, callee: Agent) -> tuple[Call, Node]:
    """A call whose router died between the answer and the ACK, and that router.

    The callee repeats its answer after half a second; the ACK of that goes through both routers.
    """
    call = caller.call(SBC1)
    assert call.invite().status == 200
    dead = plane.router_of(plane.nodes["sbc1"], call.call_id)
    dead.kill()
    call.ack()
    other = callee.calls[call.call_id]
    assert 0.3 < wait_until(lambda: other.state == "confirmed", what="ACK") < 1
    return call, dead


def call_works(caller: Agent, callee: Agent, via: tuple[str, int] = SBC1) -> None:
    """A whole call, with audio described, from INVITE to BYE."""
    call, _ = established(caller, callee, via)
    assert call.bye().status == 200
