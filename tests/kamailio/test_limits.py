"""Limits of calls hold across routers, and every end of a call makes room."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from testbed.busy import Stopwatch
from testbed.sip.addresses import CALLEE, CALLEE2, SBC1, SBC2
from testbed.sip.agent import Agent, Call, Result
from testbed.sip.calls import established
from testbed.sip.metrics import metric
from testbed.sip.node import Node
from testbed.sip.plane import Cluster, wait_until
from testbed.sip.records import only_record
from testbed.sip.router_confd_stub import answer, limited

pytestmark = pytest.mark.sip
GAP_S = 0.03  # between the calls of a burst: twice what news needs to the other router, when busy
OVERSHOOT = 1  # calls that two routers may let in beyond a limit then; alone each would take it all


@pytest.fixture(autouse=True)
def _nothing_counted(plane: Cluster) -> None:
    time.sleep(1.1)  # the second of the last test's calls
    for router in plane.tier("rtr"):
        for table in ("limited_calls", "limited_call_starts", "limit_headroom"):
            router.rpc("htable.flush", table)


def limit(plane: Cluster, *numbers: int, by: str = "max_calls", routes: int = 1) -> None:
    """Limits of tenant, source and routes in the answers of router-confd."""
    made = answer(*(f"sip:{a}:5060" for a in (CALLEE, CALLEE2)[:routes]), uri="sip:100@pbx.example")
    for stub in plane.confds:
        stub.answer = limited(made, *numbers, by=by)


def refused(result: Result) -> bool:
    return result.status == 503


def counted(router: Node) -> int:
    return router.rpc("htable.dump", "limited_calls").count("name:")


def counted_by_routers(plane: Cluster, name: str, **labels: str) -> int:
    return sum(metric(plane, router.name, name, **labels) for router in plane.tier("rtr"))


@pytest.mark.parametrize("numbers", [(2,), (0, 2), (0, 0, 2)], ids=["tenant", "source", "route"])
def test_call_beyond_the_limit_is_refused(
    plane: Cluster, caller: Agent, callee: Agent, numbers: tuple[int, ...]
) -> None:
    limit(plane, *numbers)
    first, _ = established(caller, callee, SBC1)
    second, _ = established(caller, callee, SBC2)
    asked = sum(len(stub.requests) for stub in plane.confds)
    before = counted_by_routers(plane, "c4_refused", reason="call_limit")
    for sbc in (SBC1, SBC2):
        third = caller.call(sbc)
        result = third.invite()
        assert refused(result)
        assert result.own_s < 0.4
        assert result.message is not None
        assert result.message.get("Retry-After") == "5"
        assert not result.message.get("X-C4-Call-Limit")
        assert not callee.seen("INVITE", third.call_id)
        assert only_record(plane, third.call_id)["duration"] == 0
    # It is nobody's fault: no second router was asked, and none is held for dead.
    assert sum(len(stub.requests) for stub in plane.confds) == asked + 2
    for sbc_node in plane.tier("sbc"):
        assert not sbc_node.rpc("htable.dump", "router_failed_at")
    assert counted_by_routers(plane, "c4_refused", reason="call_limit") == before + 2
    assert first.bye().status == 200
    again, _ = established(caller, callee, SBC2)
    assert again.bye().status == 200
    assert second.bye().status == 200
    wait_until(lambda: all(counted(r) == 0 for r in plane.tier("rtr")), 3, "released")


def test_without_limits_nothing_is_counted(plane: Cluster, caller: Agent, callee: Agent) -> None:
    limit(plane, 0, 0, 0)
    call, _ = established(caller, callee)
    assert all(counted(router) == 0 for router in plane.tier("rtr"))
    call.bye()


def test_calls_with_the_same_call_id_count_one_by_one(
    plane: Cluster, caller: Agent, callee: Agent
) -> None:
    limit(plane, 1)
    call, _ = established(caller, callee)
    for cseq in (call.cseq, call.cseq + 1):
        copy = caller.call(SBC1)
        copy.call_id, copy.local_tag, copy.cseq = call.call_id, call.local_tag, cseq - 1
        caller.calls[call.call_id] = copy
        assert refused(copy.invite())
    caller.calls[call.call_id] = call
    assert len(callee.seen("INVITE")) == 1
    assert call.bye().status == 200
    again, _ = established(caller, callee)
    assert again.bye().status == 200


# --- every end of a call ---------------------------------------------------------------------


def hung_up_by_caller(plane: Cluster, call: Call, callee: Agent) -> None:
    assert call.invite().status == 200
    call.ack()
    assert call.bye().status == 200


def hung_up_by_callee(plane: Cluster, call: Call, callee: Agent) -> None:
    assert call.invite().status == 200
    call.ack()
    other = callee.calls[call.call_id]
    wait_until(lambda: other.state == "confirmed")
    assert other.bye().status == 200


def cancelled(plane: Cluster, call: Call, callee: Agent) -> None:
    callee.answer = 0
    assert call.invite(cancel_after=0.3).status == 487


def busy(plane: Cluster, call: Call, callee: Agent) -> None:
    callee.answer = 486
    assert call.invite().status == 486


def carrier_fails(plane: Cluster, call: Call, callee: Agent) -> None:
    callee.answer = 503
    assert call.invite().status == 500


def router_dies_in_the_call(plane: Cluster, call: Call, callee: Agent) -> None:
    assert call.invite().status == 200
    call.ack()
    plane.router_of(plane.nodes["sbc1"]).kill()
    assert refused(call.agent.call(SBC1).invite()), "the call of a dead router still counts"
    assert call.bye().status == 200


def router_dies_while_ringing(plane: Cluster, call: Call, callee: Agent) -> None:
    callee.ring_s = 2.5
    dying = plane.kill_router_of(call)
    assert call.invite(timeout=9).status == 200
    dying.join()
    call.ack()
    callee.ring_s = 0.05
    assert refused(call.agent.call(SBC1).invite())
    assert call.bye().status == 200


def router_dies_and_the_callee_refuses(plane: Cluster, call: Call, callee: Agent) -> None:
    callee.ring_s, callee.answer = 3.5, 486  # by then its death is known
    dying = plane.kill_router_of(call)
    assert call.invite(timeout=9).status == 486
    dying.join()
    callee.ring_s = 0.05


def router_dies_before_it_answers(plane: Cluster, call: Call, callee: Agent) -> None:
    """The second router counts the call anew, not twice."""
    for router in plane.tier("rtr")[:1]:
        router.kill()
    for _ in range(2):
        assert call.invite().status == 200
        call.ack()
        assert call.bye().status == 200
        call = call.agent.call(SBC1)


@pytest.mark.parametrize(
    "end",
    [hung_up_by_caller, hung_up_by_callee, cancelled, busy, carrier_fails, router_dies_in_the_call,
     router_dies_while_ringing, router_dies_and_the_callee_refuses, router_dies_before_it_answers],
)  # fmt: skip
def test_every_end_makes_room(
    plane: Cluster, caller: Agent, callee: Agent,
    end: Callable[[Cluster, Call, Agent], None],
) -> None:  # fmt: skip
    limit(plane, 1, 1, 1)
    end(plane, caller.call(SBC1), callee)
    callee.answer = 200
    for sbc in (SBC1, SBC2):
        call, _ = established(caller, callee, sbc)
        assert refused(caller.call(sbc).invite())
        assert call.bye().status == 200
    wait_until(lambda: all(counted(r) == 0 for r in plane.tier("rtr")), 3, "released")


def test_router_that_joins_knows_the_calls_of_the_others(
    plane: Cluster, caller: Agent, callee: Agent
) -> None:
    limit(plane, 1)
    call, _ = established(caller, callee)
    late = next(r for r in plane.tier("rtr") if r is not plane.router_of(plane.nodes["sbc1"]))
    late.kill()
    time.sleep(0.2)
    plane.revive(late)
    plane.apply_lists()
    plane.settle()
    wait_until(lambda: counted(late) == 1, 8, "calls at the router that joined")
    assert [caller.call(SBC1).invite().status for _ in range(4)] == [503] * 4
    assert call.bye().status == 200
    wait_until(lambda: counted(late) == 0, 3)


# --- routes ----------------------------------------------------------------------------------


def test_trunk_at_its_limit_is_passed_over(plane: Cluster, caller: Agent, callee: Agent) -> None:
    second = plane.ua(CALLEE2)
    limit(plane, 0, 0, 1, 1, routes=2)
    calls = [established(caller, agent)[0] for agent in (callee, second)]
    assert refused(caller.call(SBC2).invite())
    assert len(callee.seen("INVITE")) == 1
    labels = {"scope": "carrier_trunk", "limit": "calls"}
    assert counted_by_routers(plane, "c4_call_limit_reached", **labels) >= 3
    assert calls[0].bye().status == 200
    again, _ = established(caller, callee)
    for call in (again, calls[1]):
        assert call.bye().status == 200


def test_failed_trunk_does_not_count(plane: Cluster, caller: Agent, callee: Agent) -> None:
    second = plane.ua(CALLEE2)
    callee.answer = 503
    limit(plane, 0, 0, 1, 5, routes=2)
    call, _ = established(caller, second)
    assert counted(plane.tier("rtr")[0]) == 1
    assert call.bye().status == 200


def test_failure_with_the_next_trunk_at_its_limit_is_503(
    plane: Cluster, caller: Agent, callee: Agent
) -> None:
    second = plane.ua(CALLEE2)
    limit(plane, 0, 0, 1, 1, routes=2)
    calls = [established(caller, agent)[0] for agent in (callee, second)]
    calls[0].bye()
    callee.answer = 500
    call = caller.call(SBC1)
    result = call.invite()
    assert refused(result)
    assert result.message is not None
    assert result.message.get("Retry-After") == "5"
    assert only_record(plane, call.call_id)["duration"] == 0
    calls[1].bye()


# --- accuracy across routers -----------------------------------------------------------------


def burst(caller: Agent, number: int, gap_s: float) -> list[tuple[Call, Result]]:
    """Calls through both SBCs in turn, each begun `gap_s` after the one before."""
    calls = [caller.call((SBC1, SBC2)[i % 2]) for i in range(number)]

    def place(i: int) -> Result:
        time.sleep(i * gap_s)
        return calls[i].invite(timeout=12)

    with ThreadPoolExecutor(number) as pool:
        return list(zip(calls, pool.map(place, range(number)), strict=True))


def overshoot(watch: Stopwatch) -> int:
    """Calls that may get in before a router hears of another one's; more on a busy machine."""
    return OVERSHOOT + int(watch.waited_s() / GAP_S)


def admitted(results: list[tuple[Call, Result]], what: str) -> int:
    """Number of calls let in, which it ends; the others must be refused."""
    let_in = [call for call, result in results if result.status == 200]
    assert all(refused(result) for _, result in results if result.status != 200)
    print(f"{what}: {len(let_in)} of {len(results)} let in")
    for call in let_in:
        call.ack()
        assert call.bye().status == 200
    return len(let_in)


def test_calls_of_a_burst_over_all_routers(plane: Cluster, caller: Agent, callee: Agent) -> None:
    limit(plane, 10)
    watch = Stopwatch()
    results = burst(caller, 30, GAP_S)
    most = 10 + overshoot(watch)
    assert 10 <= admitted(results, "10 calls, burst") <= most


def test_calls_that_come_at_once(plane: Cluster, caller: Agent, callee: Agent) -> None:
    """Routers that have not heard of each other's calls yet each keep the limit."""
    limit(plane, 10)
    results = burst(caller, 40, 0)
    let_in = [call for call, result in results if result.status == 200]
    print(f"10 calls, at once: {len(let_in)} of 40 let in")
    assert 10 <= len(let_in) <= 10 * len(plane.tier("rtr"))
    assert refused(caller.call(SBC1).invite())
    for call in let_in:
        call.ack()
        assert call.bye().status == 200
    wait_until(lambda: all(counted(r) == 0 for r in plane.tier("rtr")), 3, "released")


def test_router_that_took_few_knows_that_another_filled_the_limit(
    plane: Cluster, caller: Agent, callee: Agent
) -> None:
    most = 6 * plane.tenant.router.max  # far below it, a router need not count every call
    limit(plane, most)
    sbcs, routers = plane.tier("sbc"), plane.tier("rtr")
    try:
        for sbc, router in zip(sbcs, routers, strict=True):
            plane.apply_dispatcher(sbc, [router.address])
        calls = [established(caller, callee, SBC2)[0]]
        calls += [established(caller, callee, SBC1)[0] for _ in range(most - 1)]
        assert all(refused(caller.call(sbc).invite()) for sbc in (SBC2, SBC1))
        assert {counted(router) for router in routers} == {most}
        for call in calls:
            assert call.bye().status == 200
    finally:
        plane.apply_lists()
        plane.settle()


@pytest.mark.parametrize("numbers", [(5,), (0, 5), (0, 0, 5)], ids=["tenant", "source", "route"])
def test_calls_per_second(
    plane: Cluster, caller: Agent, callee: Agent, numbers: tuple[int, ...]
) -> None:
    limit(plane, *numbers, by="max_cps")
    time.sleep(1.05 - time.time() % 1)  # the beginning of a second
    watch, began = Stopwatch(), int(time.time())
    results = burst(caller, 20, GAP_S)
    seconds = int(time.time()) - began + 1  # one, unless the machine hung for a moment
    most = 5 * seconds + overshoot(watch)
    assert 5 <= admitted(results, f"5 calls/s, burst over {seconds} s") <= most
    time.sleep(1.1 - time.time() % 1)
    callee.answer = 486
    assert caller.call(SBC1).invite().status == 486


def test_rate_over_several_seconds(plane: Cluster, caller: Agent, callee: Agent) -> None:
    limit(plane, 4, by="max_cps")
    callee.answer = 486
    time.sleep(1 - time.time() % 1)
    watch, begin = Stopwatch(), time.monotonic()
    let_in, touched, whole = 0, set[int](), Counter[int]()
    while time.monotonic() < begin + 3.9:
        began = int(time.time())
        let_in += caller.call((SBC1, SBC2)[let_in % 2]).invite().status == 486
        ended = int(time.time())
        touched |= {began, ended}
        whole[began] += began == ended
    print(f"limit 4 calls/s, one after the other: {let_in} let in in {len(touched)} s")
    # A busy machine does not place four calls in each second.
    assert sum(min(4, calls) for calls in whole.values()) - 1 <= let_in
    assert let_in <= 4 * len(touched) + overshoot(watch)
