"""The router that rings the callee misses the answer; the call goes on through the other one."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from settings.load import load
from testbed.sip.addresses import CALLEE, CALLEE2, CALLER, SBC1
from testbed.sip.agent import Agent, Call, sdp
from testbed.sip.media import relaying
from testbed.sip.netns import dropping
from testbed.sip.plane import Cluster, cluster, wait_until
from testbed.sip.records import only_record
from testbed.sip.router_confd_stub import answer
from testbed.sip.unheard import REPLIES

pytestmark = pytest.mark.sip
RINGING_S = 10  # the least that settings allow
TRANSACTION_S = 12  # until nothing of its transaction is left


@pytest.fixture(scope="module")
def plane(image_root: tuple[Path, ...]) -> Iterator[Cluster]:
    deployment = load("demo")
    (tenant,) = deployment.tenants
    sip = tenant.sip.model_copy(
        update={"timers": tenant.sip.timers.model_copy(update={"ringing_timeout_s": RINGING_S})}
    )
    tenant = tenant.model_copy(update={"sip": sip})
    with cluster(image_root, deployment.model_copy(update={"tenants": [tenant]})) as made:
        yield made


@pytest.fixture
def parties(plane: Cluster) -> tuple[Agent, Agent, Agent]:
    """Caller, callee, and the callee of the next route."""
    routes = [f"sip:{CALLEE}:5060", f"sip:{CALLEE2}:5060"]
    for stub in plane.confds:
        stub.answer = answer(*routes, uri=f"sip:100@{CALLEE}:5060")
    agents = plane.ua(CALLER), plane.ua(CALLEE), plane.ua(CALLEE2)
    agents[1].ring_s = 1.0
    return agents


def missed(plane: Cluster, caller: Agent) -> Call:
    """An established call whose router has heard nothing after the 180."""
    sbc = plane.nodes["sbc1"]
    call = caller.call(SBC1)
    with ThreadPoolExecutor() as pool:
        placed = pool.submit(call.invite)
        wait_until(lambda: any(m.status == 180 for m in call.replies), what="180")
        owner = plane.router_of(sbc, call.call_id)
        with dropping(owner.namespace, f"ip saddr {sbc.address} {REPLIES}"):
            assert placed.result().status == 200
            call.ack()
            time.sleep(2)
    return call


def test_long_call_outlives_the_transaction_of_the_router_that_missed_its_answer(
    plane: Cluster, parties: tuple[Agent, Agent, Agent]
) -> None:
    """It must neither end media, record and dialog nor call the next route."""
    caller, callee, next_one = parties
    call = missed(plane, caller)
    time.sleep(RINGING_S + TRANSACTION_S)
    assert not next_one.seen("INVITE", call.call_id)
    assert len(relaying(plane, call.call_id)) == 1
    assert callee.calls[call.call_id].request("INFO").status == 200
    assert call.request("INVITE", body=sdp(CALLER, 6000)).status == 200
    call.ack()
    assert call.bye().status == 200
    assert [m.status for m in call.replies if m.method == "INVITE" and m.status >= 300] == []
    assert only_record(plane, call.call_id)["duration"] >= RINGING_S
    wait_until(lambda: not relaying(plane, call.call_id), what="end of the media")
    plane.settle()


def test_short_call_does_not_go_on_to_the_next_route_after_its_end(
    plane: Cluster, parties: tuple[Agent, Agent, Agent]
) -> None:
    caller, _, next_one = parties
    call = missed(plane, caller)
    assert call.bye().status == 200
    assert 2 <= only_record(plane, call.call_id)["duration"] < RINGING_S
    time.sleep(RINGING_S)
    assert not next_one.seen("INVITE", call.call_id)
    assert relaying(plane, call.call_id) == []
    plane.settle()
