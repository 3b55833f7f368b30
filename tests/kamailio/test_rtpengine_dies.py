"""An rtpengine dies while calls begin, ring and go on; each test asserts which one took over."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from testbed.sip.addresses import RTPS, SBC1
from testbed.sip.agent import Agent, sdp
from testbed.sip.calls import established
from testbed.sip.media import relaying
from testbed.sip.plane import Cluster, wait_until

pytestmark = pytest.mark.sip
NO_MEDIA = "no rtpengine took the SDP"


def logged(plane: Cluster, text: str) -> int:
    """Lines with it in the logs of all routers."""
    return sum(router.logged(text) for router in plane.tier("rtr"))


@pytest.mark.parametrize("listed", [True, False], ids=["listed", "unlisted"])
@pytest.mark.parametrize("side", ["caller", "callee"])
def test_reinvite_moves_a_call_from_a_dead_rtpengine(
    plane: Cluster, caller: Agent, callee: Agent, side: str, listed: bool
) -> None:
    call, other = established(caller, callee)
    end, far = (call, other) if side == "caller" else (other, call)
    relays = {public: name for name, (_, public) in RTPS.items()}
    assert call.replies[-1].body
    (used,) = (p for p in relays if p in call.replies[-1].body)
    (living,) = (p for p in relays if p != used)
    plane.nodes[relays[used]].kill()
    if not listed:
        for router in plane.tier("rtr"):
            plane.apply_rtpengine(router, [address for address, p in RTPS.values() if p == living])
    try:
        result = end.request("INVITE", body=sdp(end.agent.address[0], 6000))
        assert result.status == 200
        assert result.own_s < (0.5 if listed else 0.2)
        assert result.message is not None
        assert living in result.message.body
        offer = [m for m in far.requests if m.method == "INVITE"][-1]
        assert living in offer.body
        end.ack()
        again = far.request("INVITE", body=sdp(far.agent.address[0], 6000))
        assert again.message is not None
        assert living in again.message.body, "the next one does not know"
        assert again.own_s < 0.2
        far.ack()
        assert call.bye().own_s < 0.2
    finally:
        plane.revive(plane.nodes[relays[used]])
        if not listed:
            for router in plane.tier("rtr"):
                plane.apply_rtpengine(router, [address for address, _ in RTPS.values()])


def test_rtpengine_that_was_started_again_at_once_relays_new_calls(
    plane: Cluster, caller: Agent, callee: Agent
) -> None:
    """The routers have met it dead, but its lists did not change: Consul did not miss it."""
    first, _ = established(caller, callee)
    (name,) = relaying(plane, first.call_id)
    plane.nodes[name].kill()
    before = logged(plane, "Connection refused")
    assert first.bye().status == 200
    assert logged(plane, "Connection refused") > before, "nobody met it"
    plane.revive(plane.nodes[name])
    took = set()
    for _ in range(16):  # both routers, and both rtpengines
        call, _ = established(caller, callee)
        took.update(relaying(plane, call.call_id))
        assert call.replies[-1].body, f"{call.call_id}: no media"
        assert call.bye().status == 200
    assert name in took, "it gets no calls"


def test_calls_come_back_when_every_rtpengine_was_started_again(
    plane: Cluster, caller: Agent, callee: Agent
) -> None:
    names = list(RTPS)
    for name in names:
        plane.nodes[name].kill()
    for _ in plane.tier("rtr"):  # round robin: each meets them dead
        assert caller.call(SBC1).invite().status == 500
    for name in names:
        plane.revive(plane.nodes[name])
    assert caller.call(SBC1).invite().status == 500, "Kamailio asks again by itself"
    assert len(plane.revive_relays()) >= len(names)
    call, _ = established(caller, callee)
    assert call.replies[-1].body
    assert call.bye().status == 200


def test_answer_that_no_relay_takes_does_not_show_the_callee(
    plane: Cluster, caller: Agent, callee: Agent
) -> None:
    """The rtpengine of the offer dies while it rings: nobody else can make the answer fit."""
    callee.ring_s = 1.0
    before = logged(plane, NO_MEDIA)
    call = caller.call(SBC1)
    with ThreadPoolExecutor() as pool:
        placed = pool.submit(call.invite, timeout=12)
        wait_until(lambda: any(m.status == 180 for m in call.replies), what="180")
        (name,) = relaying(plane, call.call_id)
        plane.nodes[name].kill()
        result = placed.result()
    assert result.status == 200
    assert result.message is not None
    assert result.message.body == ""
    assert logged(plane, NO_MEDIA) == before + 1
    call.ack()
    assert call.bye().status == 200
