"""More than a node can do: what it accepted goes on in time, the rest is told at once."""

from __future__ import annotations

import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from settings.load import load
from testbed.load.plane import load_on
from testbed.load.sipp import Outcome
from testbed.sip.addresses import CALLEE, CALLER, SBC1
from testbed.sip.metrics import shared_variable
from testbed.sip.node import Node
from testbed.sip.plane import Cluster, cluster, wait_until, with_sip

pytestmark = [
    pytest.mark.sip,
    pytest.mark.skipif(shutil.which("sipp") is None, reason="needs SIPp"),
]
MAX_LOOKUPS = 10
OVERLOAD_MS = 50
LATE_MS = 50  # of a node that nobody slows down
STEP_S = 0.02  # of a throttled node: short against every timer


@pytest.fixture(scope="module")
def plane(image_root: tuple[Path, ...]) -> Iterator[Cluster]:
    changed = with_sip(
        load("demo"),
        overload={
            "new_calls_per_s": 100_000,
            "open_lookups": MAX_LOOKUPS,
            "queue_wait_ms": OVERLOAD_MS,
        },
    )
    with cluster(image_root, changed, memory_mb=256) as made:
        yield made


@contextmanager
def throttled(node: Node, share: float) -> Iterator[None]:
    """The node's processes run for that share of the time only."""
    done = threading.Event()

    def throttle() -> None:
        while not done.is_set():
            node.send_signal(signal.SIGSTOP)
            time.sleep(STEP_S * (1 - share))
            node.send_signal(signal.SIGCONT)
            time.sleep(STEP_S * share)

    thread = threading.Thread(target=throttle)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


@contextmanager
def sampled(read: Callable[[], int]) -> Iterator[list[int]]:
    """What `read` says, several times a second."""
    done, found = threading.Event(), list[int]()

    def sample() -> None:
        while not done.wait(0.3):
            found.append(read())

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield found
    finally:
        done.set()
        thread.join()


def alive(sbc: Node) -> int:
    return sbc.rpc("dispatcher.list").count("FLAGS: AP")


def overloaded(plane: Cluster, slow: Node, rate: int) -> Outcome:
    """What became of calls that were about twice of what the node could do: it gets slower from
    run to run until it refuses many. Repeated when other nodes were late too, because then the
    machine hung and not the one node."""
    outcome = load_on(plane, rate, 1)
    for share in (0.5, 0.4, 0.3, 0.25, 0.2, 0.15, 0.1):
        with throttled(slow, share):
            outcome = load_on(plane, rate, 5)
        hung = max(map(late_ms, others(plane, slow))) > LATE_MS
        if outcome.refused > outcome.calls / 5 and not (outcome.failed and hung):
            break
    return outcome


def others(plane: Cluster, node: Node) -> list[Node]:
    return [n for n in (*plane.tier("sbc"), *plane.tier("rtr")) if n is not node]


def late_ms(node: Node) -> int:
    """The longest that a message waited in the node's queues lately."""
    return shared_variable(node, "longest_queue_delay")


@pytest.mark.faults
def test_calls_that_a_slow_sbc_accepts_are_carried_and_the_rest_told_at_once(
    plane: Cluster,
) -> None:
    sbc1, sbc2 = plane.nodes["sbc1"], plane.nodes["sbc2"]
    load_on(plane, 5, 1)  # its source is known from now on
    with sampled(lambda: alive(sbc2)) as seen:
        outcome = overloaded(plane, sbc1, 200)
    assert outcome.failed == 0
    accepted = outcome.calls - outcome.refused
    assert outcome.refused > outcome.calls / 5, "it was no overload"
    assert accepted >= 20, "it refused more than it had to"
    assert set(seen) == {4}
    assert alive(sbc1) == 4
    # It is over as soon as the calls are.
    caller, callee = plane.ua(CALLER, 5062), plane.ua(CALLEE)
    wait_until(lambda: caller.call(SBC1).invite().status == 200, 5, "calls again")
    assert callee.seen("INVITE")


def test_calls_beyond_the_open_lookups_are_refused_at_once(plane: Cluster) -> None:
    for stub in plane.confds:
        stub.delay_s = 1.2
    outcome = load_on(plane, 60, 2)
    assert outcome.failed == 0
    # Two routers, and each lookup takes about a second.
    assert MAX_LOOKUPS <= outcome.calls - outcome.refused <= 8 * MAX_LOOKUPS
    assert outcome.setup_ms[len(outcome.setup_ms) // 4] < 300, "refusals came late"


def test_router_that_was_late_does_not_make_the_callee_ring_again(plane: Cluster) -> None:
    caller, callee = plane.ua(CALLER), plane.ua(CALLEE)
    slow = plane.nodes["rtr1"]
    calls = [caller.call(SBC1) for _ in range(2)]  # one for each router
    slow.send_signal(signal.SIGSTOP)
    try:
        answers = [call.invite() for call in calls]
    finally:
        slow.send_signal(signal.SIGCONT)
    assert [answer.status for answer in answers] == [200, 200]
    assert max(answer.seconds for answer in answers) > 0.4, "no call met the slow router"
    time.sleep(1.5)
    assert len({m.call_id for m in callee.seen("INVITE")} & {c.call_id for c in calls}) == 2
    assert all(len(callee.seen("INVITE", call.call_id)) == 1 for call in calls)
    for call in calls:
        call.ack()
        assert call.bye().status == 200
    own = {call.call_id for call in calls}  # records of the overload may still arrive

    def records() -> list[str]:
        found = (record["call_id"] for stub in plane.confds for record in stub.cdrs)
        return [call_id for call_id in found if call_id in own]

    wait_until(lambda: len(records()) >= 2, 5, "records")
    assert set(records()) == own
    assert len(records()) == 2
