"""From and To of the route: whoever carries the call, the callee sees no others."""

from __future__ import annotations

import re
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from testbed.sip.addresses import CALLEE, SBC1
from testbed.sip.agent import Agent, Call, Message, sdp
from testbed.sip.calls import acknowledged_without_router, established
from testbed.sip.node import Node
from testbed.sip.plane import Cluster, wait_joined, wait_until
from testbed.sip.router_confd_stub import answer

pytestmark = pytest.mark.sip
HIDDEN = '"Anonymous" <sip:anonymous@carrier.example>'
CALLED = "<sip:39040999@carrier.example>"


@pytest.fixture(autouse=True)
def hidden_caller(plane: Cluster) -> None:
    for stub in plane.confds:
        stub.answer = answer(f"sip:{CALLEE}:5060", uri=f"sip:100@{CALLEE}:5060")
        stub.answer["rtjson"]["routes"][0]["headers"] = {
            "from": {"display": '"Anonymous"', "uri": "sip:anonymous@carrier.example"},
            "to": {"display": "", "uri": "sip:39040999@carrier.example"},
            "extra": "",
        }


def names(message: Message) -> tuple[str, str]:
    """From and To without their parameters."""
    return re.sub(r">.*", ">", message.get("From")), re.sub(r">.*", ">", message.get("To"))


def without_via(message: Message) -> list[tuple[str, str]]:
    return sorted(header for header in message.headers if header[0] != "via")


def check(call: Call, callee: Agent) -> None:
    """Each side knows the other by the names of its own INVITE, in requests and replies."""
    for agent, near, far in ((callee, CALLED, HIDDEN), (call.agent, call.local, call.remote)):
        for message in list(agent.received):
            expected = (near, far) if message.is_reply else (far, near)
            assert names(message) == expected, message.first


def ends(plane: Cluster, call: Call, other: Call) -> None:
    """Both sides speak within the call, then it ends."""
    for end in (call, other):
        assert end.request("INVITE", body=sdp(end.agent.address[0], 6000)).status == 200
        end.ack()
        assert end.request("INFO").status == 200
    assert call.bye().status == 200
    check(call, other.agent)


def test_ack_is_sent_once_and_with_its_copy_when_it_was_lost(
    plane: Cluster, caller: Agent, callee: Agent
) -> None:
    """Both bear the names of the route; the callee's answer tells that the first did not come."""
    call, other = established(caller, callee)
    time.sleep(0.7)  # it would have been repeated
    assert len(callee.seen("ACK", call.call_id)) == 1
    callee.reply(callee.seen("INVITE", call.call_id)[0], 200, "OK", tag=other.local_tag,
                 body=sdp(CALLEE, 7000))  # fmt: skip
    # The answer comes through both routers, so does the ACK of each.
    wait_until(lambda: len(callee.seen("ACK", call.call_id)) == 5, what="the copies of the ACK")
    acks = callee.seen("ACK", call.call_id)
    assert len({m.first for m in acks}) == 1
    assert all(without_via(m) == without_via(acks[0]) for m in acks)
    ends(plane, call, other)
    assert len(callee.seen("ACK", call.call_id)) == 6


def test_other_router_keeps_the_names(plane: Cluster, caller: Agent, callee: Agent) -> None:
    """Of an ACK whose router has just died, and of all that follows."""
    call, dead = acknowledged_without_router(plane, caller, callee)
    assert len(callee.seen("ACK", call.call_id)) == 1
    assert call.request("INFO").status == 200
    assert plane.router_of(plane.nodes["sbc1"]) is not dead
    ends(plane, call, callee.calls[call.call_id])


def test_other_router_keeps_the_names_of_a_ringing_call(
    plane: Cluster, caller: Agent, callee: Agent
) -> None:
    callee.ring_s = 1.0
    call = caller.call(SBC1)
    killed: list[Node] = []

    def invite_seen() -> bool:
        if callee.seen("INVITE", call.call_id) and not killed:
            killed.append(plane.router_of(plane.nodes["sbc1"]))
            killed[0].kill()
        return bool(killed)

    with ThreadPoolExecutor() as pool:
        placed = pool.submit(call.invite, timeout=12)
        wait_until(invite_seen, what="INVITE")
        assert placed.result().status == 200
    assert plane.nodes["sbc1"].logged("may be down, reply 200 goes through") >= 1
    call.ack()
    other = callee.calls[call.call_id]
    wait_until(lambda: other.state == "confirmed", what="ACK")
    ends(plane, call, other)


def test_restarted_router_keeps_the_names(plane: Cluster, caller: Agent, callee: Agent) -> None:
    """It has the dialog back from its peer, without what uac had hung on it."""
    call, other = established(caller, callee)
    router = plane.router_of(plane.nodes["sbc1"])
    (peer,) = (node for node in plane.tier("rtr") if node is not router)
    router.kill()
    plane.revive(router)
    plane.apply_lists()
    plane.settle()
    wait_until(lambda: call.call_id in router.rpc("dlg.list"), 8, "dialog from the peer")
    wait_joined(router)
    peer.kill()
    ends(plane, call, other)
