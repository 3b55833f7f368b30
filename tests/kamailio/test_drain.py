"""A router leaves the SBCs' lists; what it has begun must end as if it had not."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from testbed.sip.addresses import CALLEE, CALLEE2, CALLER, SBC1
from testbed.sip.agent import Agent, Call, Result, sdp
from testbed.sip.calls import established
from testbed.sip.node import Node
from testbed.sip.plane import Cluster, wait_until
from testbed.sip.router_confd_stub import answer

pytestmark = pytest.mark.sip


@pytest.fixture(autouse=True)
def whole_lists(plane: Cluster) -> Iterator[None]:
    yield
    plane.apply_lists()
    plane.settle()


def drain_router_of_call(plane: Cluster) -> Node:
    """What consul-template does on the SBCs when the call's router begins to drain."""
    leaving = plane.router_of(plane.nodes["sbc1"])
    for sbc in plane.tier("sbc"):
        plane.apply_leaving(sbc, [leaving.address])
        plane.apply_dispatcher(sbc, [r.address for r in plane.tier("rtr") if r is not leaving])
        assert leaving.address not in sbc.rpc("dispatcher.list")
    return leaving


class Ringing:
    """A call that rings until its callee is told to end that."""

    def __init__(self, caller: Agent, callee: Agent, **options: object) -> None:
        self.call: Call = caller.call(SBC1)
        self.result: Result | None = None
        self._thread = threading.Thread(target=self._invite, kwargs=options)
        self._thread.start()
        wait_until(lambda: bool(callee.seen("INVITE", self.call.call_id)), what="INVITE")
        wait_until(lambda: any(r.status == 180 for r in self.call.replies), what="180")

    def _invite(self, **options: object) -> None:
        self.result = self.call.invite(timeout=12, **options)

    def wait(self) -> Result:
        self._thread.join(15)
        assert self.result is not None
        return self.result


def test_ringing_call_is_answered_through_the_router_that_leaves(
    plane: Cluster, caller: Agent, callee: Agent
) -> None:
    callee.ring_s = 2.0
    ringing = Ringing(caller, callee)
    leaving = drain_router_of_call(plane)
    assert ringing.wait().status == 200
    ringing.call.ack()
    other = callee.calls[ringing.call.call_id]
    wait_until(lambda: other.state == "confirmed", what="ACK")
    finals = [m for m in ringing.call.replies if m.status == 200]
    assert len(finals) == 1, "the answer came through both routers"
    assert plane.nodes["sbc1"].logged("may be down") == 0
    wait_until(lambda: "state: 4" in leaving.rpc("dlg.list"), what="the leaving router's dialog")
    assert ringing.call.bye().own_s < 0.2  # the other router knows the call
    assert other.state == "ended"


def test_next_route_is_tried_by_the_router_that_leaves(
    plane: Cluster, caller: Agent, callee: Agent
) -> None:
    second = plane.ua(CALLEE2)
    for stub in plane.confds:
        stub.answer = answer(f"sip:{CALLEE}:5060", f"sip:{CALLEE2}:5060", uri="sip:100@pbx.example")
    callee.ring_s, callee.answer = 1.5, 503
    ringing = Ringing(caller, callee)
    drain_router_of_call(plane)
    assert ringing.wait().status == 200
    assert len(second.seen("INVITE", ringing.call.call_id)) == 1, "the INVITE had to be repeated"
    ringing.call.ack()
    assert ringing.call.bye().status == 200


def test_ringing_call_is_cancelled_through_the_router_that_leaves(
    plane: Cluster, caller: Agent, callee: Agent
) -> None:
    callee.answer = 0
    ringing = Ringing(caller, callee, cancel_after=1.0)
    drain_router_of_call(plane)
    result = ringing.wait()
    assert result.status == 487
    assert result.own_s < 1.5
    assert callee.calls[ringing.call.call_id].status == 487


def test_calls_go_to_the_routers_that_stay(plane: Cluster, caller: Agent, callee: Agent) -> None:
    call, other = established(caller, callee)
    leaving = drain_router_of_call(plane)
    before = received(leaving)
    assert call.request("INVITE", body=sdp(CALLER, 6000)).own_s < 0.2
    call.ack()
    assert other.request("UPDATE").own_s < 0.2
    assert call.bye().own_s < 0.2
    fresh, _ = established(caller, callee)
    assert fresh.bye().status == 200
    assert received(leaving) == before


def test_router_that_nobody_knows_is_not_listened_to(
    plane: Cluster, caller: Agent, callee: Agent
) -> None:
    """Without the list of those that leave, the SBC has no reason to trust it: another is asked."""
    for stub in plane.confds:
        stub.answer = answer(f"sip:{CALLEE2}:5060", uri="sip:100@pbx.example")
        stub.delay_s = 1.0
    second = plane.ua(CALLEE2)
    call = caller.call(SBC1)
    thread = threading.Thread(target=lambda: call.invite(timeout=2.5))
    thread.start()
    wait_until(lambda: "router: sip:" in plane.nodes["sbc1"].rpc("dlg.list"), what="dialog")
    leaving = drain_router_of_call(plane)
    plane.apply_leaving(plane.nodes["sbc1"], [])
    thread.join()
    sbc = plane.nodes["sbc1"]
    assert sbc.logged(f"what it has begun for {call.call_id} goes to") == 1
    assert len(second.seen("INVITE", call.call_id)) == 1, f"from {leaving.address} too"
    assert plane.router_of(sbc) is not leaving


def received(router: Node) -> int:
    """INVITE, UPDATE and BYE that a router has received."""
    lines = router.rpc("stats.get_statistics", "core:").splitlines()
    wanted = ("invite", "update", "bye")
    return sum(
        int(line.split("=")[1])
        for line in lines
        if line.split("=")[0].strip().removeprefix("core:rcv_requests_") in wanted
    )
