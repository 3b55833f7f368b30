"""Kamailio is killed and started again at once, as systemd does: nobody takes it for dead."""

from __future__ import annotations

import re
import threading
import time
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from agent.kamailio import dialogs
from agent.kamailio.dialog_state import State
from agent.kamailio.dialogs import Dialog
from agent.kamailio.stale_dialogs import StaleDialogs
from common.kamailio import NODE_ID_STEP, node_id
from common.topology import Role
from host.netns import inside
from testbed.agent_samples import FACTS
from testbed.agent_samples import config as agent_config
from testbed.sip.addresses import CALLER, SBC1
from testbed.sip.agent import Agent, sdp
from testbed.sip.calls import established
from testbed.sip.node import Node
from testbed.sip.plane import Cluster, wait_until
from testbed.sip.records import records
from testbed.sip.unheard import answered_at_once

pytestmark = pytest.mark.sip
RELAY = "203.0.113.3"
END_TIMEOUT_S = 60  # the dialog module's `end_timeout`
LIMIT_S = 0.9  # 0.5 s on an idle machine; the rest is for a busy one


def kill(plane: Cluster, node: Node) -> None:
    """Started again, but its agent has not told it its peers yet."""
    node.kill()
    node.start_kamailio(memory_mb=plane.memory_mb)


def bound(node: Node, role: Role) -> int | None:
    """The calls that a drain of the node would wait for."""
    facts = FACTS.model_copy(update={"private_ip": IPv4Address(node.address)})
    return dialogs.calls_to_wait_for(agent_config(role=role), facts, node.rpc_of_host, _dump(node))


def _dump(node: Node) -> Path:
    return node.lists / "dialogs.json"


def test_router_that_does_not_know_the_call_yet_leaves_it_to_the_other(
    plane: Cluster, caller: Agent, callee: Agent
) -> None:
    call, _ = established(caller, callee)
    sbc = plane.nodes["sbc1"]
    router = plane.router_of(sbc)
    failovers = sbc.logged("router of the dialog failed")
    kill(plane, router)
    probed = 2 * len(plane.tier("rtr"))
    wait_until(lambda: sbc.rpc("dispatcher.list").count("FLAGS: AP") == probed, what="probes")
    sbc.rpc("htable.flush", "router_failed_at")
    assert call.call_id not in router.rpc("dlg.list")
    result = call.request("INVITE", body=sdp(CALLER, 6000))
    assert result.status == 200
    assert result.own_s < LIMIT_S
    assert result.message is not None
    assert RELAY in result.message.body, "past rtpengine"
    assert sbc.logged("router of the dialog failed") == failovers + 1, "who took over?"
    call.ack()
    assert call.bye().status == 200
    wait_until(lambda: bool(records(plane, call.call_id)), what="record")
    plane.repeat_dmq("rtr")
    plane.settle()


def test_router_that_comes_back_while_calls_fail_over_gets_the_dialogs(
    plane: Cluster, caller: Agent, callee: Agent
) -> None:
    """The other one turns away what a late router says of its calls; this must not be among it."""
    calls = [established(caller, callee)[0]]
    router, other = plane.nodes["rtr1"], plane.nodes["rtr2"]
    plane.nodes["sbc1"].rpc("htable.flush", "router_failed_at")  # of the test before
    router.kill()
    calls += answered_at_once(caller, 2)
    router.start_kamailio(memory_mb=plane.memory_mb)
    plane.repeat_dmq("rtr")
    for call in calls:
        wait_until(lambda: call.call_id in router.rpc("dlg.list"), 5, "its dialogs")  # noqa: B023
    until = re.search(r"\d+", other.rpc("pv.shvGet", "retried_until"))
    assert until is not None
    assert int(until.group()) > time.time(), "no call was asked again"
    for call in calls:
        assert call.bye().status == 200
        wait_until(lambda: bool(records(plane, call.call_id)), what="record")  # noqa: B023
    plane.settle()


def test_sbc_that_does_not_know_the_call_yet_waits_for_its_peers(
    plane: Cluster, caller: Agent, callee: Agent
) -> None:
    call, _ = established(caller, callee)
    sbc = plane.nodes["sbc1"]
    kill(plane, sbc)
    assert call.call_id not in sbc.rpc("dlg.list")
    told = threading.Timer(1.2, lambda: plane.repeat_dmq("sbc"))
    told.start()
    result = call.bye()
    told.join()
    assert result.status == 200
    assert result.seconds > 1
    assert not [m for m in call.replies if m.status == 481]
    plane.settle()


def test_a_node_that_starts_gets_tables_of_any_size(plane: Cluster) -> None:
    """With 150 calls that ring, the messages were larger than what Kamailio takes by default."""
    node, peer = plane.nodes["sbc1"], plane.nodes["sbc2"]

    def entries(of: Node) -> int:
        return of.rpc("htable.dump", "pending_invites").count("name: call-")

    for number in range(90):
        peer.rpc("htable.sets", "pending_invites", f"call-{number}", 1000 * "x")
    try:
        assert entries(peer) == 90
        kill(plane, node)
        assert entries(node) == 0
        plane.repeat_dmq("sbc")
        wait_until(lambda: entries(node) == 90, 10, "the table")
        assert not node.logged("message too large")
    finally:
        peer.rpc("htable.flush", "pending_invites")
        node.rpc("htable.flush", "pending_invites")
    plane.settle()


@pytest.mark.parametrize("name", ["sbc1", "router"])
def test_ringing_call_survives_a_restart(
    plane: Cluster, caller: Agent, callee: Agent, name: str
) -> None:
    callee.ring_s = 5.0
    call = caller.call(SBC1)
    hit: list[Node] = []

    def fail() -> None:
        wait_until(lambda: bool(callee.seen("INVITE", call.call_id)), 3)
        time.sleep(0.3)
        hit.append(plane.router_of(plane.nodes["sbc1"]) if name == "router" else plane.nodes[name])
        kill(plane, hit[0])
        plane.repeat_dmq(hit[0].name[:3])

    thread = threading.Thread(target=fail)
    thread.start()
    result = call.invite(timeout=12)
    thread.join()
    assert result.status == 200
    assert result.own_s < 6.5
    assert result.message is not None
    assert RELAY in result.message.body, "past rtpengine"
    assert SBC1[0] in result.message.get("Contact"), "the callee's own address"
    call.ack()
    other = callee.calls[call.call_id]
    wait_until(lambda: other.state == "confirmed", what="ACK")
    if name == "sbc1":
        assert bound(hit[0], Role.SBC) == 1, "a drain would not wait"
    assert call.bye().status == 200
    assert other.state == "ended"
    wait_until(lambda: bool(records(plane, call.call_id)), what="record")
    assert len(records(plane, call.call_id)) == 1
    assert bound(hit[0], Role.SBC if name == "sbc1" else Role.ROUTER) == 0, "a drain would wait"
    plane.settle()


@pytest.mark.parametrize("tier", ["rtr", "sbc"])
def test_what_a_dead_node_left_of_its_ended_calls_is_dropped(
    plane: Cluster, caller: Agent, callee: Agent, tier: str
) -> None:
    """It would have told its peers some seconds after the end. From 6.1.4 on, Kamailio notes when a
    replica ended, and removes it itself; before that, our agent has to."""
    call, _ = established(caller, callee)

    def left(node: Node) -> list[Dialog]:
        found = list(dialogs.dialogs(node.rpc_of_host, _dump(node)))
        return [dialog for dialog in found if dialog["call_id"] == call.call_id]

    def ended(node: Node) -> list[bool]:
        return [dialog["end_ts"] > 0 for dialog in left(node) if dialog["state"] == State.DELETED]

    def owns(node: Node) -> bool:
        (dialog,) = left(node)
        return int(dialog["h_id"]) % NODE_ID_STEP == node_id(IPv4Address(node.address))

    assert call.bye().status == 200
    wait_until(lambda: [len(ended(node)) for node in plane.tier(tier)] == [1, 1], what="the end")
    other, victim = sorted(plane.tier(tier), key=owns)
    assert ended(victim) == [True]
    victim.kill()
    if ended(other) == [True]:
        wait_until(lambda: not left(other), END_TIMEOUT_S + 30, "the end of the replica")
        return

    agent = StaleDialogs(other.rpc, lambda: iter(left(other)))
    assert inside(other.namespace, agent.forget) == 0, "a peer that lives does it itself"
    assert inside(other.namespace, agent.forget) == 1
    assert not left(other)
