"""Instances die while calls run; each test asserts who took over, and how soon."""

from __future__ import annotations

import re
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from common import ports
from common.topology import Tier
from testbed.sip.addresses import CALLEE, CALLEE2, CALLER, SBC1, SBC2
from testbed.sip.agent import T1, Agent, Call, sdp
from testbed.sip.calls import acknowledged_without_router, established
from testbed.sip.media import relaying
from testbed.sip.netns import dropping
from testbed.sip.node import Node
from testbed.sip.plane import Cluster, wait_until
from testbed.sip.records import only_record, records
from testbed.sip.router_confd_stub import answer
from testbed.sip.unheard import TAKEN, answered_at_once, unheard

pytestmark = pytest.mark.sip
EXHAUSTIVE = pytest.mark.exhaustive
LIMIT_S = 0.9  # 0.5 s on an idle machine; the rest is for a busy one
EARLY = ("INVITE", 100)
CONFIRMED = "the far end has confirmed this BYE to another router"


def other_router(plane: Cluster, dead: Node) -> Node:
    return next(n for n in plane.nodes.values() if n.name.startswith("rtr") and n is not dead)


def _uri(router: Node) -> str:
    """The router as the dispatcher of an SBC has it."""
    return f"sip:{router.address}:{ports.SIP_INTERNAL}"


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
        assert result.own_s < LIMIT_S
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
    assert result.own_s < LIMIT_S
    assert far.seen(method, call.call_id)
    if method == "INVITE":
        end.ack()
        assert end.bye().own_s < 0.2  # known by now: no wait at all


def test_router_that_came_back_is_preferred_to_the_one_that_failed_last(
    plane: Cluster, caller: Agent, callee: Agent
) -> None:
    """Both are remembered as failed; the second failure says more than the first."""
    call, _ = established(caller, callee)
    dead = plane.router_of(plane.nodes["sbc1"])
    alive = _uri(other_router(plane, dead))
    before = str(int(time.time()) - 2)
    plane.nodes["sbc1"].rpc("htable.seti", "router_failed_at", f"s:{alive}", before)
    dead.kill()
    assert call.request("INFO").status == 200
    # its answers are signs of life: put the entry back
    assert alive not in plane.nodes["sbc1"].rpc("htable.dump", "router_failed_at")
    plane.nodes["sbc1"].rpc("htable.seti", "router_failed_at", f"s:{alive}", before)
    for _ in range(2):  # round robin
        assert call.request("INFO").own_s < 0.2
        plane.nodes["sbc1"].rpc("htable.seti", "router_failed_at", f"s:{alive}", before)
    fresh = caller.call(SBC1)
    assert fresh.invite().own_s < 0.4  # it would be 0.5 s
    fresh.ack()
    assert fresh.bye().status == 200
    assert call.bye().own_s < 0.2
    plane.nodes["sbc1"].rpc("htable.flush", "router_failed_at")


@pytest.mark.parametrize("fault", [signal.SIGKILL, signal.SIGSTOP], ids=["dead", "hung"])
def test_call_is_not_lost_with_the_router_that_looks_its_way_up(
    plane: Cluster, caller: Agent, callee: Agent, fault: signal.Signals
) -> None:
    for stub in plane.confds:
        stub.delay_s = 1.0
    call = caller.call(SBC1)
    hit: list[Node] = []

    def fail() -> None:
        wait_until(lambda: any(stub.requests for stub in plane.confds), what="lookup")
        hit.append(plane.router_of(plane.nodes["sbc1"]))
        hit[0].send_signal(fault)
        for stub in plane.confds:
            stub.delay_s = 0

    thread = threading.Thread(target=fail)
    thread.start()
    try:
        result = call.invite(timeout=12)
        assert result.status == 200
        # A probe finds it dead: its interval, its timeout, and what the second router takes.
        assert result.own_s < plane.tenant.sip.timers.probe_interval_s + 1 + 1
        assert plane.nodes["sbc1"].logged("what it has begun for ") >= 1
        call.ack()
        if fault is signal.SIGSTOP:  # it comes back, late, to a call that another one has
            before = hit[0].logged(TAKEN)
            hit[0].send_signal(signal.SIGCONT)
            with suppress(AssertionError):  # stopped for long, it gives the lookup up by itself
                wait_until(lambda: hit[0].logged(TAKEN) > before, 8)
        assert call.bye().status == 200
        assert len(callee.seen("INVITE", call.call_id)) == 1
        assert only_record(plane, call.call_id, 6)
        wait_until(lambda: not relaying(plane, call.call_id), 5, "end of the media")
    finally:
        thread.join()
        if fault is signal.SIGKILL:
            hit[0].kill()
        else:
            hit[0].send_signal(signal.SIGCONT)
            plane.settle()


@pytest.mark.parametrize("side", ["caller", "callee"])
def test_bye_of_a_router_that_is_not_heard_is_confirmed_once(
    plane: Cluster, caller: Agent, callee: Agent, side: str
) -> None:
    """The far end has forgotten the call when the other router sends it the BYE too."""
    call, other = established(caller, callee)
    end, far = (call, callee) if side == "caller" else (other, caller)
    router = plane.router_of(plane.nodes["sbc1"], call.call_id)
    with unheard(plane, router.name, replies_only=True):
        result = end.bye()
    assert result.status == 200
    assert result.own_s < LIMIT_S
    assert plane.nodes["sbc1"].logged(CONFIRMED) > 0
    assert len({m.get("Via") for m in far.seen("BYE", call.call_id)}) == 1
    assert only_record(plane, call.call_id)
    plane.settle()


@pytest.mark.parametrize("through", ["ACK", "BYE"])
def test_dialog_ends_on_all_routers_though_their_news_were_lost(
    plane: Cluster, caller: Agent, callee: Agent, through: str
) -> None:
    """The other router takes the call for one that rings, also when it gets the ACK. From 6.1.4 on,
    the ACK confirms it there."""
    callee.ring_s = 1.5
    call = caller.call(SBC1)
    sbc = plane.nodes["sbc1"]
    owner, other = plane.tier("rtr")

    def turn_to_the_other() -> None:
        sbc.rpc(
            "htable.sets",
            "router_failed_at",
            _uri(owner),
            "1",
        )

    with ThreadPoolExecutor() as pool:
        placed = pool.submit(call.invite)
        wait_until(lambda: bool(callee.seen("INVITE", call.call_id)), what="INVITE")
        if plane.router_of(sbc, call.call_id) is other:
            owner, other = other, owner
        wait_until(lambda: call.call_id in other.rpc("dlg.list"), what="its dialog at the other")
        with dropping(other.namespace, f"udp dport {ports.DMQ.number}"):
            assert placed.result().status == 200
            if through == "ACK":
                turn_to_the_other()
            call.ack()
            time.sleep(7)  # nobody sends them again
    if through == "BYE":
        turn_to_the_other()
    assert states(other, call.call_id) in ([["2"], ["4"]] if through == "ACK" else [["2"]])
    assert call.bye().status == 200
    assert callee.seen("BYE", call.call_id)
    for router in (owner, other):
        wait_until(lambda: not states(router, call.call_id), 3, f"its end at {router.name}")  # noqa: B023
    assert only_record(plane, call.call_id)["duration"] >= 5
    plane.repeat_dmq("rtr")
    plane.settle()


def states(node: Node, call_id: str) -> list[str]:
    """Of the call's dialogs there that have not ended."""
    dialogs = re.findall(r"call-id: (\S+).*?state: (\d)", node.rpc("dlg.list"), re.DOTALL)
    return [state for found, state in dialogs if found == call_id and state != "5"]


@pytest.mark.parametrize(("delay_s", "side", "fault"), [
    pytest.param(0.5, "caller", signal.SIGKILL, id="soon-caller-dead"),
    pytest.param(0.5, "callee", signal.SIGSTOP, id="soon-callee-hung"),
    pytest.param(2.5, "caller", signal.SIGSTOP, id="late-caller-hung"),
    pytest.param(2.5, "callee", signal.SIGKILL, id="late-callee-dead"),
    pytest.param(0.5, "caller", signal.SIGSTOP, id="soon-caller-hung", marks=EXHAUSTIVE),
    pytest.param(0.5, "callee", signal.SIGKILL, id="soon-callee-dead", marks=EXHAUSTIVE),
    pytest.param(2.5, "caller", signal.SIGKILL, id="late-caller-dead", marks=EXHAUSTIVE),
    pytest.param(2.5, "callee", signal.SIGSTOP, id="late-callee-hung", marks=EXHAUSTIVE),
])  # fmt: skip
def test_request_is_not_lost_with_the_router_that_took_it(
    plane: Cluster, caller: Agent, callee: Agent, side: str, fault: signal.Signals, delay_s: float
) -> None:
    """It has answered 100 and passed the request on; the reply finds nobody. The far end gets it
    again only if it has not confirmed it by then: soon it has, late it depends on the probes."""
    call, other = established(caller, callee)
    end, far = (call, callee) if side == "caller" else (other, caller)
    far.bye_delay_s = delay_s
    router = plane.router_of(plane.nodes["sbc1"])
    sbc = plane.nodes["sbc1"]
    before, over = sbc.logged("router of the dialog failed"), sbc.logged(CONFIRMED)
    try:
        with ThreadPoolExecutor() as pool:
            asked = pool.submit(end.bye, timeout=15)
            wait_until(lambda: bool(far.seen("BYE", call.call_id)), what="BYE")
            router.send_signal(fault)
            result = asked.result()
        assert result.status == 200
        assert result.seconds > LIMIT_S, "the SBC had not heard its 100"
        found_s = plane.tenant.sip.timers.probe_interval_s + 4.0  # 2.5 s on an idle machine
        times = len({m.get("Via") for m in far.seen("BYE", call.call_id)})
        assert times == 1 or (times == 2 and delay_s > 1)
        assert times == 2 or sbc.logged(CONFIRMED) > over
        assert result.own_s < found_s + (delay_s if times == 2 else 0)
        assert sbc.logged("router of the dialog failed") == before + 1
        record = only_record(plane, call.call_id)  # maybe the second router's, of a later end
        assert record["duration"] <= result.seconds + 1
        assert relaying(plane, call.call_id) == []
    finally:
        if fault is signal.SIGKILL:
            router.kill()
        else:
            router.send_signal(signal.SIGCONT)
            plane.settle()


@pytest.mark.parametrize("side", ["caller", "callee"])
def test_answer_to_a_reinvite_is_not_lost_with_its_router(
    plane: Cluster, caller: Agent, callee: Agent, side: str
) -> None:
    """What the far end repeats goes through the other router too."""
    call, other = established(caller, callee)
    end, far = (call, callee) if side == "caller" else (other, caller)
    router = plane.router_of(plane.nodes["sbc1"])
    before = plane.nodes["sbc1"].logged("may be down, answer goes through")
    count = len(far.seen("INVITE", call.call_id))
    far.mute = True
    with ThreadPoolExecutor() as pool:
        body = sdp(end.agent.address[0], 6000)
        asked = pool.submit(lambda: end.request("INVITE", body=body, timeout=12))
        wait_until(lambda: len(far.seen("INVITE", call.call_id)) > count, what="INVITE")
        router.kill()
        with far._lock:
            far.mute = False
            far.calls[call.call_id].on_request(far.seen("INVITE", call.call_id)[-1])
        result = asked.result()
    assert result.status == 200
    assert result.own_s < T1 + LIMIT_S
    assert result.message is not None
    assert "203.0.113.3" in result.message.body, "the other router put rtpengine in"
    assert plane.nodes["sbc1"].logged("may be down, answer goes through") > before
    end.ack()
    assert end.bye().status == 200


def test_slow_callee_is_not_taken_for_a_dead_router(
    plane: Cluster, caller: Agent, callee: Agent
) -> None:
    call, _ = established(caller, callee)
    router = plane.router_of(plane.nodes["sbc1"])
    callee.bye_delay_s = 1.5
    result = call.bye()
    assert result.status == 200
    assert result.seconds > 1.4
    assert f"{router.address}:{ports.SIP_INTERNAL}" not in plane.nodes["sbc1"].rpc(
        "htable.dump", "router_failed_at"
    )


def test_ack_is_not_lost_with_its_router(plane: Cluster, caller: Agent, callee: Agent) -> None:
    call, _ = acknowledged_without_router(plane, caller, callee)
    assert call.bye().status == 200


@pytest.mark.parametrize("ring_s", [3.0, 8.0], ids=["short", "longer than a lookup"])
def test_ringing_call_survives_router_death(
    plane: Cluster, caller: Agent, callee: Agent, ring_s: float
) -> None:
    callee.ring_s = ring_s
    call = caller.call(SBC1)

    def kill() -> None:
        if ring_s > 3:  # before the 180 is back
            wait_until(lambda: bool(callee.seen("INVITE", call.call_id)), what="INVITE")
        else:
            wait_until(lambda: any(m.status == 180 for m in call.replies), what="180")
        plane.router_of(plane.nodes["sbc1"]).kill()

    thread = threading.Thread(target=kill)
    thread.start()
    result = call.invite(timeout=12)
    thread.join()
    assert result.status == 200
    assert result.own_s < ring_s + 1.5
    assert result.message is not None
    assert "203.0.113.3" in result.message.body  # the other router put rtpengine in
    call.ack()
    other = callee.calls[call.call_id]
    wait_until(lambda: other.state == "confirmed", what="ACK")
    assert plane.nodes["sbc1"].logged("may be down, reply 200 goes through") >= 1
    assert call.bye().status == 200


def killed_before_the_final(
    plane: Cluster, callee: Agent, call: Call, status: int, early_s: float
) -> float:
    """The router of a ringing call dies, then the callee ends the ringing; when it did."""
    wait_until(lambda: any(m.status == 180 for m in call.replies), what="180")
    plane.router_of(plane.nodes["sbc1"]).kill()
    time.sleep(early_s)
    other = callee.calls[call.call_id]
    assert other.state == "ringing"
    assert other.incoming is not None
    with callee._lock:
        callee.answer = status
        other._final(other.incoming)
    return time.monotonic()


@pytest.mark.parametrize(("status", "early_s"), [
    pytest.param(486, 0.0, id="486-at once"),
    pytest.param(486, 0.3, id="486-undetected"),
    pytest.param(486, 3.0, id="486-detected"),
    pytest.param(603, 0.3, id="603-undetected"),
    pytest.param(603, 0.0, id="603-at once", marks=EXHAUSTIVE),
    pytest.param(603, 3.0, id="603-detected", marks=EXHAUSTIVE),
])  # fmt: skip
def test_refusal_is_not_lost_with_its_router(
    plane: Cluster, caller: Agent, callee: Agent, status: int, early_s: float
) -> None:
    """The other router ends media and record; nobody else is called."""
    callee.answer = 0
    call = caller.call(SBC1)
    with ThreadPoolExecutor() as pool:
        placed = pool.submit(call.invite, timeout=12)
        ended = killed_before_the_final(plane, callee, call, status, early_s)
        result = placed.result()
    refused = callee.calls[call.call_id]
    assert refused.status == result.status == status
    assert result.message is not None
    print(f"refusal {result.message.at - ended:.3f} s after the callee's")
    assert result.message.at - ended - result.waited_s < LIMIT_S
    wait_until(lambda: refused.state == "confirmed", what="ACK at the callee")
    record = only_record(plane, call.call_id)
    assert record["duration"] == 0
    assert len(callee.seen("INVITE", call.call_id)) == 1
    assert plane.nodes["sbc1"].logged(f"the refusal of {call.call_id}, it goes to") == 1
    assert relaying(plane, call.call_id) == []


@pytest.mark.parametrize("silent", [False, True], ids=["503", "silence"])
def test_next_route_is_tried_when_the_router_died_with_the_first(
    plane: Cluster, caller: Agent, callee: Agent, silent: bool
) -> None:
    """The dead router would have tried it: the other one asks router-confd anew and does."""
    second = plane.ua(CALLEE2)
    for stub in plane.confds:
        stub.answer = answer(f"sip:{CALLEE}:5060", f"sip:{CALLEE2}:5060")
    callee.ring_s, callee.answer = 0.5, 503
    if silent:
        callee.mute = True
    call = caller.call(SBC1)
    with ThreadPoolExecutor() as pool:
        placed = pool.submit(call.invite, timeout=20)
        wait_until(lambda: bool(callee.seen("INVITE", call.call_id)), what="INVITE")
        plane.router_of(plane.nodes["sbc1"]).kill()
        result = placed.result()
    assert result.status == 200
    once_s = plane.tenant.sip.timers.callee_timeout_ms / 1000 if silent else callee.ring_s
    assert result.own_s < 2 * once_s + 2 * LIMIT_S  # the first route is tried by both routers
    call.ack()
    other = second.calls[call.call_id]
    wait_until(lambda: other.state == "confirmed", what="ACK")
    answered = time.monotonic()
    time.sleep(1.1)
    assert call.bye().status == 200
    assert 1 <= only_record(plane, call.call_id)["duration"] <= time.monotonic() - answered + 1
    assert plane.nodes["sbc1"].logged(f"the refusal of {call.call_id}, it goes to") == 1


def test_answer_is_not_lost_with_a_router_that_just_died(
    plane: Cluster, caller: Agent, callee: Agent
) -> None:
    """Nobody knows of the death yet: what the callee repeats goes through the other router too."""
    callee.answer = 0
    call = caller.call(SBC1)
    with ThreadPoolExecutor() as pool:
        placed = pool.submit(call.invite, timeout=12)
        ended = killed_before_the_final(plane, callee, call, 200, 0)
        result = placed.result()
    assert result.status == 200
    assert result.message is not None
    print(f"answer {result.message.at - ended:.3f} s after the callee's")
    assert result.message.at - ended - result.waited_s < T1 + 0.4
    assert plane.nodes["sbc1"].logged("may be down, reply 200 goes through") >= 1
    call.ack()
    other = callee.calls[call.call_id]
    wait_until(lambda: other.state == "confirmed", what="ACK")
    assert call.bye().status == 200


def test_router_that_acknowledges_is_not_helped(
    plane: Cluster, caller: Agent, callee: Agent
) -> None:
    """Refusals, cancelled calls and answers of living routers go no second way."""
    sbc = plane.nodes["sbc1"]
    before = sbc.logged("goes to"), sbc.logged("goes through")
    for status in (486, 503, 200, 0):
        callee.answer = status
        call = caller.call(SBC1)
        call.invite(cancel_after=0.4 if status == 0 else None)
        if status == 200:
            call.ack()
            assert call.bye().status == 200
    time.sleep(1)
    assert (sbc.logged("goes to"), sbc.logged("goes through")) == before
    assert sbc.rpc("htable.dump", "pending_refusals") == ""


@pytest.mark.parametrize("cancel_after", [0.5, 3.5], ids=["undetected", "detected"])
def test_cancel_is_not_lost_with_its_router(
    plane: Cluster, caller: Agent, callee: Agent, cancel_after: float
) -> None:
    callee.answer = 0
    call = caller.call(SBC1)
    dying = plane.kill_router_of(call)
    result = call.invite(timeout=12, cancel_after=cancel_after)
    dying.join()
    assert callee.calls[call.call_id].status == 487
    assert len({m.get("Via") for m in callee.seen("CANCEL", call.call_id)}) == 1
    assert result.status == 487
    assert result.own_s < cancel_after + 2


def test_hung_router_is_passed_by(plane: Cluster, caller: Agent, callee: Agent) -> None:
    call, _ = established(caller, callee)
    hung = plane.router_of(plane.nodes["sbc1"])
    hung.send_signal(signal.SIGSTOP)
    try:
        result = call.bye()
        assert result.status == 200
        assert result.own_s < LIMIT_S
        again = caller.call(SBC1)
        assert again.invite().status == 200
        again.ack()
        assert again.bye().status == 200
    finally:
        hung.send_signal(signal.SIGCONT)
        plane.settle()


def test_routers_that_were_all_late_call_nobody(
    plane: Cluster, caller: Agent, callee: Agent
) -> None:
    """What they send is lost until the caller is refused; the callee must not ring for nobody."""
    call = caller.call(SBC1)
    with unheard(plane, *(router.name for router in plane.tier("rtr"))):
        assert call.invite(timeout=12).status >= 408
    wait_until(lambda: plane.nodes["sbc1"].logged("the caller was refused") > 0, 5, "its INVITE")
    time.sleep(1)
    assert not callee.seen("INVITE", call.call_id)
    assert only_record(plane, call.call_id)["duration"] == 0
    plane.settle()


def test_router_that_only_seemed_to_be_down_ends_what_it_has_begun(
    plane: Cluster, caller: Agent, callee: Agent
) -> None:
    """It has answered 100; its INVITE and its answers to probes are lost for a while."""
    for stub in plane.confds:
        stub.delay_s = 0.3  # time to become unheard
    sbc = plane.nodes["sbc1"]
    before = sbc.logged("what it has begun")
    call = caller.call(SBC1)
    with ThreadPoolExecutor() as pool:
        asked = pool.submit(call.invite, timeout=15)
        wait_until(lambda: any(stub.requests for stub in plane.confds), what="its question")
        router = plane.router_of(sbc, call.call_id)
        with unheard(plane, router.name):
            wait_until(lambda: sbc.logged("what it has begun") > before, 6, "the other is asked")
        assert asked.result().status == 200
    call.ack()
    wait_until(lambda: states(router, call.call_id) == ["4"], 5, "the dialog of the other alone")
    assert call.bye().status == 200
    for node in plane.tier("rtr"):
        assert states(node, call.call_id) == []
    assert len({m.get("Via") for m in callee.seen("INVITE", call.call_id)}) == 1
    assert only_record(plane, call.call_id)
    plane.settle()


def test_router_that_stays_unheard_leaves_relay_and_record_to_the_other(
    plane: Cluster, caller: Agent, callee: Agent
) -> None:
    """Its INVITE ends without any reply, when the call has long been answered."""
    router = plane.nodes["rtr1"]
    before = router.logged(TAKEN)
    with unheard(plane, "rtr1"):
        calls = answered_at_once(caller, 2)
        own = plane.tenant.sip.timers.callee_timeout_ms / 1000 + 1
        wait_until(lambda: router.logged(TAKEN) > before, own + 3, "its end")
        time.sleep(0.5)
        assert all(len(relaying(plane, call.call_id)) == 1 for call in calls)
    for call in calls:
        assert call.bye().status == 200
        assert relaying(plane, call.call_id) == []
        assert only_record(plane, call.call_id)["duration"] >= own - 1
    plane.settle()


def test_call_that_was_tried_through_another_sbc_before_has_its_own_dialog(
    plane: Cluster, caller: Agent, callee: Agent
) -> None:
    """The first SBC's replies are lost, so the caller sends the same INVITE to the second one; then
    the first attempt ends."""
    first = plane.ua(CALLEE2)
    first.answer = 0
    for stub in plane.confds:
        stub.answer = answer(f"sip:{CALLEE2}:5060", uri=f"sip:100@{CALLEE2}:5060")
    with dropping(plane.nodes["sbc1"].namespace, f"ip daddr {CALLER}", hook="output"):
        call = caller.call(SBC1)
        assert call.invite(timeout=1.5).status == 0
        ringing = first.calls[call.call_id]
        for stub in plane.confds:
            stub.answer = answer(f"sip:{CALLEE}:5060", uri=f"sip:100@{CALLEE}:5060")
        call.peer = SBC2
        call.cseq -= 1
        assert call.invite().status == 200
        call.ack()
        other = callee.calls[call.call_id]
        wait_until(lambda: other.state == "confirmed", what="ACK")
        assert ringing.incoming is not None
        first.answer = 486
        ringing._final(ringing.incoming)
        wait_until(lambda: ringing.state == "confirmed", what="ACK of the refusal")
        time.sleep(1.2)
        assert len(relaying(plane, call.call_id)) == 1, "its media ended with the first attempt"
        assert other.request("INFO").status == 200
        assert call.bye().status == 200
        assert relaying(plane, call.call_id) == []
        assert callee.seen("BYE", call.call_id)
    wait_until(lambda: len(records(plane, call.call_id)) == 2, 5, "a record of each attempt")
    assert min(record["duration"] for record in records(plane, call.call_id)) == 0
    assert max(record["duration"] for record in records(plane, call.call_id)) > 0
    plane.settle()


@pytest.mark.parametrize("lookup_s", [0.0, 1.0])
def test_router_that_was_not_heard_does_not_place_the_call_again(
    plane: Cluster, caller: Agent, callee: Agent, lookup_s: float
) -> None:
    """Its answers are lost, so the call goes to another one; then its INVITE gets through. With the
    slow lookup it tells the other one of its dialog while that one does not know the way yet."""
    for stub in plane.confds:
        stub.delay_s = lookup_s
    before = plane.nodes["rtr1"].logged(TAKEN)
    with unheard(plane, "rtr1"):
        calls = answered_at_once(caller, 2)
    wait_until(lambda: plane.nodes["rtr1"].logged(TAKEN) > before, 5, "its INVITE is refused")
    time.sleep(1.2)  # durations are in whole seconds
    for call in calls:
        invites = {m.get("Via") for m in callee.seen("INVITE", call.call_id)}
        assert len(invites) == 1, "the callee was called twice"
        finals = [m.status for m in call.replies if m.method == "INVITE" and m.status >= 200]
        assert set(finals) == {200}
        assert not callee.seen("CANCEL", call.call_id)
        assert call.request("INVITE", body=sdp(CALLER, 6000)).status == 200
        call.ack()
        assert call.bye().status == 200
        wait_until(lambda: bool(records(plane, call.call_id)), 8, "record")  # noqa: B023
        time.sleep(0.3)
        durations = [record["duration"] for record in records(plane, call.call_id)]
        assert len(durations) == 1
        assert durations[0] > 0
        wait_until(lambda: not relaying(plane, call.call_id), 2, "end of the media")  # noqa: B023
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
        assert result.own_s < LIMIT_S
    finally:
        plane.retire(replacement, SBC1[0], dead)


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
        assert result.own_s < 7.8
        assert result.message is not None
        assert "203.0.113.3" in result.message.body
        call.ack()
        other = callee.calls[call.call_id]
        wait_until(lambda: other.state == "confirmed", what="ACK")
        assert replacement.logged("reply 200 to a call of another SBC") == 1
        assert call.bye().status == 200
        assert other.state == "ended"
    finally:
        plane.retire(replacement, SBC1[0], dead)


def test_routers_that_only_look_dead_get_calls(
    plane: Cluster, caller: Agent, callee: Agent
) -> None:
    sbc = plane.nodes["sbc1"]
    for number in ("1", "2"):
        for router in plane.tier("rtr"):
            sbc.rpc("dispatcher.set_state", "dp", number, _uri(router))
    try:
        call, _ = established(caller, callee)
        assert call.bye().status == 200
    finally:
        for number in ("1", "2"):
            for router in plane.tier("rtr"):
                sbc.rpc("dispatcher.set_state", "ap", number, _uri(router))
