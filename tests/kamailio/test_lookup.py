"""router-confd instances fail; calls go on as long as one answers."""

from __future__ import annotations

import hashlib
import threading
import time
from typing import Any

import pytest

from testbed.load.meter import processor_s
from testbed.sip.addresses import CALLEE, CALLEE2, CALLER, SBC1
from testbed.sip.agent import Agent
from testbed.sip.plane import Cluster, wait_until
from testbed.sip.router_confd_stub import ConfdStub, answer

pytestmark = pytest.mark.sip
CALLS = 4  # enough to meet the failing instance first at least once


def call(caller: Agent) -> tuple[int, float]:
    made = caller.call(SBC1)
    result = made.invite()
    if result.status == 200:
        made.ack()
        made.bye()
    return result.status, result.own_s


def test_instance_that_refuses_connections_is_passed_by(
    plane: Cluster, caller: Agent, callee: Agent
) -> None:
    plane.confds[0].stop()
    results = [call(caller) for _ in range(CALLS)]
    assert [status for status, _ in results] == [200] * CALLS
    assert max(seconds for _, seconds in results) < 0.5


def test_instance_that_answers_500_is_passed_by(
    plane: Cluster, caller: Agent, callee: Agent
) -> None:
    plane.confds[1].status = 500
    assert [call(caller)[0] for _ in range(CALLS)] == [200] * CALLS


def test_hanging_instance_delays_once_and_is_then_avoided(
    plane: Cluster, caller: Agent, callee: Agent
) -> None:
    plane.confds[0].delay_s = 30
    results = [call(caller) for _ in range(6)]
    assert [status for status, _ in results] == [200] * 6
    slow = [seconds for _, seconds in results if seconds > 1]
    assert len(slow) <= len(plane.tier("rtr"))  # each router meets it once
    assert all(s < plane.tenant.sip.timers.lookup_timeout_ms / 1000 + 1 for s in slow)


def test_workers_rest_after_connections_that_ended_with_their_answer(
    plane: Cluster, caller: Agent, callee: Agent
) -> None:
    """image/kamailio-module/patches/http_async_client.patch: without it a worker spins from here
    on, and takes each request that waits at the wrong moment for timed out."""
    for stub in plane.confds:
        stub.leaving = True
    assert [call(caller)[0] for _ in range(2 * CALLS)] == [200] * 2 * CALLS
    for stub in plane.confds:
        stub.leaving = False
    assert [call(caller)[0] for _ in range(2 * CALLS)] == [200] * 2 * CALLS
    for stub in plane.confds:
        stub.hang_up()
    time.sleep(0.5)
    leaders = [router.process.pid for router in plane.tier("rtr") if router.process]
    before = [processor_s(leader) for leader in leaders]
    time.sleep(1)
    used = [processor_s(leader) - start for leader, start in zip(leaders, before, strict=True)]
    print("processor seconds in a second:", used)
    assert max(used) < 0.3
    assert [call(caller)[0] for _ in range(CALLS)] == [200] * CALLS


def test_call_is_refused_when_no_instance_answers(plane: Cluster, caller: Agent) -> None:
    for stub in plane.confds:
        stub.stop()
    status, seconds = call(caller)
    assert status == 500
    assert seconds < 2


def test_call_survives_the_removal_of_the_instance_that_it_waits_for(
    plane: Cluster, caller: Agent, callee: Agent
) -> None:
    for stub in plane.confds:
        stub.delay_s = 30
    asked = {stub.address: len(stub.connections) for stub in plane.confds}

    def remove_the_asked() -> None:
        def idle() -> list[ConfdStub]:
            return [s for s in plane.confds if len(s.connections) == asked[s.address]]

        wait_until(lambda: len(idle()) == 1, what="a question")
        (well,) = idle()
        well.delay_s = 0
        for router in plane.tier("rtr"):
            plane.apply_confd(router, [well.address])

    made = caller.call(SBC1)
    removal = threading.Timer(0.3, remove_the_asked)
    removal.start()
    try:
        result = made.invite(timeout=10)
        removal.join()
        assert result.status == 200
        assert result.seconds > 1, "it waited for the instance that hangs"
        made.ack()
        assert made.bye().status == 200
    finally:
        for router in plane.tier("rtr"):
            plane.apply_confd(router, [stub.address for stub in plane.confds])


def test_lookup_is_not_repeated_by_the_second_router(plane: Cluster, caller: Agent) -> None:
    for stub in plane.confds:
        stub.status = 500
    assert call(caller)[0] == 500
    assert sum(len(stub.requests) for stub in plane.confds) == len(plane.confds)


def test_new_list_is_taken_at_run_time(plane: Cluster, caller: Agent, callee: Agent) -> None:
    try:
        for router in plane.tier("rtr"):
            plane.apply_confd(router, [plane.confds[1].address])
        assert [call(caller)[0] for _ in range(CALLS)] == [200] * CALLS
        assert not plane.confds[0].requests
    finally:
        for router in plane.tier("rtr"):
            plane.apply_confd(router, [stub.address for stub in plane.confds])


def pbx_with_password(*hosts: str) -> dict[str, Any]:
    """An answer that wants a digest of alice, whose password is `secret`, from the caller."""
    ha1 = hashlib.md5(f"alice:{CALLER}:secret".encode()).hexdigest()
    destinations = (f"sip:{host}:5060" for host in hosts)
    return answer(*destinations, username="alice", domain=CALLER, password_ha1=ha1)


def test_digest_is_checked_with_the_ha1_of_the_answer(
    plane: Cluster, caller: Agent, callee: Agent
) -> None:
    for stub in plane.confds:
        stub.answer = pbx_with_password(CALLEE)
    made = caller.call(SBC1)
    challenge = made.invite()
    assert challenge.status == 407
    assert challenge.message is not None
    wrong = made.invite(extra=made.digest(challenge.message, "alice", "wrong"))
    assert wrong.status == 407
    assert wrong.message is not None
    right = made.invite(extra=made.digest(wrong.message, "alice", "secret"))
    assert right.status == 200
    made.ack()
    assert len(callee.seen("INVITE")) == 1
    assert made.bye().status == 200


def test_credentials_of_the_caller_reach_nobody_outside(
    plane: Cluster, caller: Agent, callee: Agent
) -> None:
    """Not even the second route, nor within the dialog, where a PBX may repeat them."""
    second = plane.ua(CALLEE2)
    callee.answer = 503
    for stub in plane.confds:
        stub.answer = pbx_with_password(CALLEE, CALLEE2)
    made = caller.call(SBC1)
    challenge = made.invite().message
    assert challenge is not None
    made.extra = made.digest(challenge, "alice", "secret")
    assert made.invite().status == 200
    made.ack()
    wait_until(lambda: bool(second.seen("ACK")))
    assert made.bye().status == 200
    assert {m.method for m in callee.received} == {"INVITE", "ACK"}
    assert {m.method for m in second.received} == {"INVITE", "ACK", "BYE"}
    for message in callee.received + second.received:
        assert not message.get("Proxy-Authorization"), message.first


def test_unknown_source_is_challenged(plane: Cluster, caller: Agent, callee: Agent) -> None:
    for stub in plane.confds:
        stub.answer = {"auth": {"success": False}, "rtjson": {"success": False}}
    assert caller.call(SBC1).invite().status == 407
    assert not callee.received
