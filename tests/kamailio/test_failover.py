"""Instances die while calls run; each test asserts who took over, and how soon."""

from __future__ import annotations

import signal
import threading
import time

import pytest

from settings.facts import Tier
from tests.kamailio.cluster import CALLEE, CALLER, Cluster, wait_until
from tests.kamailio.node import Node
from tests.kamailio.sip import Agent, sdp
from tests.kamailio.test_calls import SBC1, SBC2, established

pytestmark = pytest.mark.sip
LIMIT_S = 0.9  # 0.5 s on an idle machine; the rest is for a busy one
EARLY = ("INVITE", 100)


@pytest.fixture
def caller(plane: Cluster) -> Agent:
    return plane.ua(CALLER)


@pytest.fixture
def callee(plane: Cluster) -> Agent:
    return plane.ua(CALLEE)


def other_router(plane: Cluster, dead: Node) -> Node:
    return next(n for n in plane.nodes.values() if n.name.startswith("rtr") and n is not dead)


def via(message_headers: list[str], node: Node) -> bool:
    return any(node.address in value for value in message_headers)


@pytest.mark.parametrize("router", ["rtr1", "rtr2"])
def test_new_calls_survive_router_death(
    plane: Cluster, caller: Agent, callee: Agent, router: str
) -> None:
    plane.nodes[router].kill()
    for _ in range(4):  # round robin: some of them meet the dead one
        call = caller.call(SBC1)
        result = call.invite()
        assert result.status == 200
        assert result.seconds < LIMIT_S
        call.ack()
        assert call.bye().status == 200


@pytest.mark.parametrize("method", ["BYE", "INVITE"])
@pytest.mark.parametrize("side", ["caller", "callee"])
def test_established_call_survives_router_death(
    plane: Cluster, caller: Agent, callee: Agent, side: str, method: str
) -> None:
    call, other = established(caller, callee)
    router = plane.router_of(plane.nodes["sbc1"])
    router.kill()
    end, far = (call, callee) if side == "caller" else (other, caller)
    body = sdp(end.agent.address[0], 6000) if method == "INVITE" else ""
    result = end.request(method, body=body)
    assert result.status == 200
    assert result.seconds < LIMIT_S
    assert far.seen(method, call.call_id)
    if method == "INVITE":
        end.ack()
        assert end.bye().seconds < 0.2  # known by now: no wait at all


def test_router_that_came_back_is_preferred_to_the_one_that_failed_last(
    plane: Cluster, caller: Agent, callee: Agent
) -> None:
    """Both are remembered as failed; the second failure says more than the first."""
    call, _ = established(caller, callee)
    dead = plane.router_of(plane.nodes["sbc1"])
    alive = f"sip:{other_router(plane, dead).address}:5070"
    before = str(int(time.time()) - 2)
    plane.nodes["sbc1"].rpc("htable.seti", "down", f"s:{alive}", before)
    dead.kill()
    assert call.request("INFO").status == 200
    # its answers are signs of life: put the entry back
    assert alive not in plane.nodes["sbc1"].rpc("htable.dump", "down")
    plane.nodes["sbc1"].rpc("htable.seti", "down", f"s:{alive}", before)
    for _ in range(2):  # round robin
        assert call.request("INFO").seconds < 0.2
        plane.nodes["sbc1"].rpc("htable.seti", "down", f"s:{alive}", before)
    fresh = caller.call(SBC1)
    assert fresh.invite().seconds < 0.2
    fresh.ack()
    assert fresh.bye().status == 200
    assert call.bye().seconds < 0.2


def test_slow_callee_is_not_taken_for_a_dead_router(
    plane: Cluster, caller: Agent, callee: Agent
) -> None:
    call, _ = established(caller, callee)
    router = plane.router_of(plane.nodes["sbc1"])
    callee.bye_delay_s = 1.5
    result = call.bye()
    assert result.status == 200
    assert result.seconds > 1.4
    assert f"{router.address}:5070" not in plane.nodes["sbc1"].rpc("htable.dump", "down")


def test_ack_is_not_lost_with_its_router(plane: Cluster, caller: Agent, callee: Agent) -> None:
    call = caller.call(SBC1)
    assert call.invite().status == 200
    dead = plane.router_of(plane.nodes["sbc1"])
    dead.kill()
    call.ack()
    other = callee.calls[call.call_id]
    assert wait_until(lambda: other.state == "confirmed", what="ACK") < 0.3
    assert call.bye().status == 200


def test_ringing_call_survives_router_death(plane: Cluster, caller: Agent, callee: Agent) -> None:
    callee.ring_s = 3.0
    call = caller.call(SBC1)
    killed: list[Node] = []

    def kill() -> None:
        killed.append(plane.router_of(plane.nodes["sbc1"]))
        killed[0].kill()

    timer = threading.Timer(0.8, kill)
    timer.start()
    result = call.invite(timeout=12)
    timer.join()
    assert result.status == 200
    assert result.seconds < 4.5
    assert result.message is not None
    assert "203.0.113.3" in result.message.body  # the other router put rtpengine in
    call.ack()
    other = callee.calls[call.call_id]
    wait_until(lambda: other.state == "confirmed", what="ACK")
    assert plane.nodes["sbc1"].logged("may be down, reply 200 goes through") >= 1
    assert call.bye().status == 200


@pytest.mark.parametrize("cancel_after", [0.9, 3.5], ids=["undetected", "detected"])
def test_cancel_is_not_lost_with_its_router(
    plane: Cluster, caller: Agent, callee: Agent, cancel_after: float
) -> None:
    callee.answer = 0
    call = caller.call(SBC1)
    timer = threading.Timer(0.8, lambda: plane.router_of(plane.nodes["sbc1"]).kill())
    timer.start()
    result = call.invite(timeout=12, cancel_after=cancel_after)
    timer.join()
    assert callee.calls[call.call_id].status == 487
    assert len({m.get("Via") for m in callee.seen("CANCEL", call.call_id)}) == 1
    assert result.status == 487
    assert result.seconds < cancel_after + 2


def test_hung_router_is_passed_by(plane: Cluster, caller: Agent, callee: Agent) -> None:
    call, _ = established(caller, callee)
    hung = plane.router_of(plane.nodes["sbc1"])
    hung.send_signal(signal.SIGSTOP)
    try:
        result = call.bye()
        assert result.status == 200
        assert result.seconds < LIMIT_S
        again = caller.call(SBC1)
        assert again.invite().status == 200
        again.ack()
        assert again.bye().status == 200
    finally:
        hung.send_signal(signal.SIGCONT)
        plane.settle()


def test_established_call_survives_sbc_death_when_its_address_moves(
    plane: Cluster, caller: Agent, callee: Agent
) -> None:
    call, other = established(caller, callee)
    dead = plane.nodes["sbc1"]
    dead.kill()
    replacement = plane.add("sbc3", Tier.SBC, "10.40.10.13", SBC1[0])
    try:
        plane.apply_lists()
        wait_until(lambda: call.call_id in replacement.rpc("dlg.list"), 8, "dialog at sbc3")
        assert call.request("INVITE", body=sdp(CALLER, 6000)).status == 200
        call.ack()
        assert other.request("UPDATE").status == 200
        result = other.bye()
        assert result.status == 200
        assert result.seconds < LIMIT_S
    finally:
        replacement.kill()
        del plane.nodes["sbc3"]
        plane.net.associate(SBC1[0], dead.address)


def test_calls_go_on_through_the_other_sbc(plane: Cluster, caller: Agent, callee: Agent) -> None:
    plane.nodes["sbc1"].kill()
    call, _ = established(caller, callee, SBC2)
    assert call.bye().status == 200


def test_joining_sbc_gets_the_dialogs_of_the_others(
    plane: Cluster, caller: Agent, callee: Agent
) -> None:
    call, _ = established(caller, callee, SBC2)
    late = plane.nodes["sbc1"]
    late.kill()
    time.sleep(0.2)
    plane.revive(late)
    plane.apply_lists()
    wait_until(lambda: call.call_id in late.rpc("dlg.list"), 8, "dialog of sbc2 at sbc1")
    plane.settle()
    assert call.bye().status == 200


def test_ringing_call_survives_sbc_death_when_its_address_moves(
    plane: Cluster, caller: Agent, callee: Agent
) -> None:
    callee.ring_s = 7.0
    call = caller.call(SBC1)
    dead = plane.nodes["sbc1"]

    def fail() -> None:
        wait_until(lambda: bool(callee.seen("INVITE", call.call_id)), 3)
        dead.kill()
        plane.add("sbc4", Tier.SBC, "10.40.10.14", SBC1[0])
        plane.apply_lists()

    thread = threading.Thread(target=fail)
    thread.start()
    result = call.invite(timeout=12)
    thread.join()
    replacement = plane.nodes["sbc4"]
    try:
        assert result.status == 200
        assert result.seconds < 7.8
        assert result.message is not None
        assert "203.0.113.3" in result.message.body
        call.ack()
        other = callee.calls[call.call_id]
        wait_until(lambda: other.state == "confirmed", what="ACK")
        assert replacement.logged("reply 200 to a call of another SBC") == 1
        assert call.bye().status == 200
        assert other.state == "ended"
    finally:
        replacement.kill()
        del plane.nodes["sbc4"]
        plane.net.associate(SBC1[0], dead.address)


def test_routers_that_only_look_dead_get_calls(
    plane: Cluster, caller: Agent, callee: Agent
) -> None:
    sbc = plane.nodes["sbc1"]
    for number in ("1", "2"):
        for router in plane.tier("rtr"):
            sbc.rpc("dispatcher.set_state", "dp", number, f"sip:{router.address}:5070")
    try:
        call, _ = established(caller, callee)
        assert call.bye().status == 200
    finally:
        for number in ("1", "2"):
            for router in plane.tier("rtr"):
                sbc.rpc("dispatcher.set_state", "ap", number, f"sip:{router.address}:5070")
