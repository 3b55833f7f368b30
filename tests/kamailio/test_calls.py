"""Calls through a healthy SIP plane."""

from __future__ import annotations

import ipaddress
import threading
import time

import pytest

from agent.files.atomic import write_newer
from agent.kamailio import tier_addresses
from common import ports
from testbed.sip.addresses import CALLEE, CALLEE2, CALLER, SBC1, SBC2
from testbed.sip.agent import Agent, Call, sdp
from testbed.sip.calls import established
from testbed.sip.node import Node
from testbed.sip.plane import Cluster, wait_until
from testbed.sip.router_confd_stub import answer

pytestmark = pytest.mark.sip
PRIVATE = "10.40."


def test_call_is_answered_and_ends_from_the_caller(caller: Agent, callee: Agent) -> None:
    call, other = established(caller, callee)
    assert call.bye().status == 200
    assert other.state == "ended"


def test_call_ends_from_the_callee(caller: Agent, callee: Agent) -> None:
    call, other = established(caller, callee)
    assert other.bye().status == 200
    assert [m.method for m in call.requests] == ["BYE"]


def test_either_side_may_hold_and_resume(caller: Agent, callee: Agent) -> None:
    call, other = established(caller, callee)
    for end in (call, other):
        for direction in ("sendonly", "sendrecv"):
            result = end.request("INVITE", body=sdp(end.agent.address[0], 6000, direction))
            assert result.status == 200
            end.ack()
    assert call.bye().status == 200


@pytest.mark.parametrize("method", ["UPDATE", "INFO", "REFER", "NOTIFY"])
def test_requests_within_the_dialog_reach_the_other_side(
    caller: Agent, callee: Agent, method: str
) -> None:
    call, other = established(caller, callee)
    assert call.request(method).status == 200
    assert other.request(method).status == 200
    assert callee.seen(method, call.call_id)
    assert caller.seen(method, call.call_id)
    call.bye()


@pytest.mark.parametrize("dead", [False, True], ids=["alive", "dead"])
def test_any_sbc_continues_the_dialog_of_another(
    plane: Cluster, caller: Agent, callee: Agent, dead: bool
) -> None:
    """The user agents turn to the other address of the tenant's name; Route and Request-URI still
    name the first."""
    call, other = established(caller, callee)
    if dead:
        wait_until(lambda: knows(plane.nodes["sbc2"], call), what="replica")
        plane.nodes["sbc1"].kill()
    assert SBC1[0] in call.target
    assert SBC1[0] in call.routes[0]
    call.peer = other.peer = SBC2
    assert call.request("INFO").status == 200
    assert other.request("INFO").status == 200
    assert call.request("INVITE", body=sdp(CALLER, 6000)).status == 200
    call.ack()
    assert SBC2[0] in call.target
    assert other.request("INVITE", body=sdp(CALLEE, 7000)).status == 200
    other.ack()
    assert call.bye().status == 200
    assert other.state == "ended"


def test_addresses_of_the_pool_may_change(plane: Cluster, caller: Agent, callee: Agent) -> None:
    call, _ = established(caller, callee)
    call.peer = SBC2
    sbc2, public = plane.nodes["sbc2"], ipaddress.IPv4Address(SBC2[0])
    for addresses, status in (([public], 403), ([public, ipaddress.IPv4Address(SBC1[0])], 200)):
        write_newer(sbc2.lists / tier_addresses.TABLE, tier_addresses.table(addresses))
        sbc2.rpc(tier_addresses.RELOAD)
        assert call.request("INFO").status == status
    assert call.bye().status == 200


def test_refusal_reaches_the_caller(caller: Agent, callee: Agent) -> None:
    callee.answer = 486
    assert caller.call(SBC1).invite().status == 486


def test_cancelled_call_stops_ringing(caller: Agent, callee: Agent) -> None:
    callee.answer = 0
    call = caller.call(SBC1)
    result = call.invite(cancel_after=0.4)
    assert result.status == 487
    assert callee.calls[call.call_id].status == 487
    assert len(callee.seen("CANCEL", call.call_id)) == 1


def test_unknown_destination_is_404(plane: Cluster, caller: Agent) -> None:
    for stub in plane.confds:
        stub.answer = answer()
    assert caller.call(SBC1).invite().status == 404


def test_next_route_is_tried_when_the_first_fails(
    plane: Cluster, caller: Agent, callee: Agent
) -> None:
    second = plane.ua(CALLEE2)
    callee.answer = 503
    for stub in plane.confds:
        stub.answer = answer(f"sip:{CALLEE}:5060", f"sip:{CALLEE2}:5060")
    call = caller.call(SBC1)
    assert call.invite().status == 200
    call.ack()
    assert len(callee.seen("INVITE")) == 1
    assert len(second.seen("INVITE")) == 1
    assert call.bye().status == 200


def test_busy_is_final_even_with_more_routes(plane: Cluster, caller: Agent, callee: Agent) -> None:
    second = plane.ua(CALLEE2)
    callee.answer = 486
    for stub in plane.confds:
        stub.answer = answer(f"sip:{CALLEE}:5060", f"sip:{CALLEE2}:5060")
    assert caller.call(SBC1).invite().status == 486
    time.sleep(0.2)
    assert not second.seen("INVITE")


def test_carrier_out_of_service_is_500_and_the_second_router_is_not_asked(
    plane: Cluster, caller: Agent, callee: Agent
) -> None:
    callee.answer = 503
    assert caller.call(SBC1).invite().status == 500
    assert len(callee.seen("INVITE")) == 1


def test_routing_is_asked_with_source_and_request_uri(
    plane: Cluster, caller: Agent, callee: Agent
) -> None:
    call, _ = established(caller, callee)
    call.bye()
    (asked,) = [r for stub in plane.confds for r in stub.requests]
    assert asked["source_ip"] == CALLER
    assert asked["source_port"] == 5060
    assert asked["request_uri"] == f"sip:100@{SBC1[0]}:{ports.SIP}"
    assert asked["call_id"] == call.call_id


def test_media_flows_through_rtpengine_on_both_sides(
    plane: Cluster, caller: Agent, callee: Agent
) -> None:
    call = caller.call(SBC1)
    result = call.invite()
    assert result.message is not None
    call.ack()
    offered = callee.seen("INVITE", call.call_id)[0].body
    relays = {node.public for node in plane.tier("rtp")}
    for body in (offered, result.message.body):
        address = next(line for line in body.splitlines() if line.startswith("c=")).split()[-1]
        assert address in relays
        assert CALLER not in body
        assert CALLEE not in body
    call.bye()


def test_late_offer_goes_through_rtpengine_too(
    plane: Cluster, caller: Agent, callee: Agent
) -> None:
    call = caller.call(SBC1)
    result = call.invite(body="")
    assert result.message is not None
    assert CALLEE not in result.message.body
    call.ack(body=sdp(CALLER, 6000))
    other = callee.calls[call.call_id]
    wait_until(lambda: other.state == "confirmed")
    ack = callee.seen("ACK", call.call_id)[0]
    assert "m=audio" in ack.body
    assert CALLER not in ack.body
    assert call.bye().status == 200


def test_no_internal_name_address_or_header_leaves(
    plane: Cluster, caller: Agent, callee: Agent
) -> None:
    call, _ = established(caller, callee)
    call.bye()
    for agent in (caller, callee):
        for message in agent.received:
            text = message.first + "\n" + "\n".join(f"{k}: {v}" for k, v in message.headers)
            assert "x-c4-" not in text.lower()
            assert "c4.internal" not in text
            assert PRIVATE not in text
    other = {caller: CALLEE, callee: CALLER}
    for agent, hidden in other.items():
        for message in agent.received:
            names = ("Record-Route", "Contact", "Via", "Route")
            assert hidden not in " ".join(v for name in names for v in message.all(name))
            assert len(message.all("Via")) == 1


def knows(node: Node, call: Call) -> bool:
    return call.call_id in node.rpc("dlg.list")


def test_dialogs_are_gone_on_every_node_after_the_call(
    plane: Cluster, caller: Agent, callee: Agent
) -> None:
    call, _ = established(caller, callee)
    nodes = plane.tier("sbc") + plane.tier("rtr")
    wait_until(lambda: all(knows(node, call) for node in nodes), what="replicas")
    call.bye()
    wait_until(lambda: not any(knows(node, call) for node in nodes), 12, "dialogs stay")


def test_call_over_tcp_ends_from_either_side(plane: Cluster, callee: Agent) -> None:
    pbx = plane.tcp_ua(CALLER, SBC1)
    call, _ = established(pbx, callee)
    assert call.request("INVITE", body=sdp(CALLER, 6000)).status == 200
    call.ack()
    assert call.bye().status == 200
    call, other = established(pbx, callee)
    assert other.bye().status == 200
    assert [m.method for m in call.requests] == ["BYE"]
    assert "transport=tcp" in next(m for m in pbx.received if m.status == 200).get("Contact")
    assert "transport" not in callee.seen("INVITE")[0].get("Contact")


def test_pbx_behind_nat_is_reached_where_its_packets_come_from(
    plane: Cluster, caller: Agent, callee: Agent
) -> None:
    call = caller.call(SBC1)
    call.contact = "<sip:ua@192.168.1.20:5060>"
    assert call.invite().status == 200
    call.ack()
    other = callee.calls[call.call_id]
    wait_until(lambda: other.state == "confirmed")
    assert "192.168" not in callee.seen("INVITE")[0].get("Contact")
    assert other.bye().status == 200
    assert [m.method for m in call.requests] == ["BYE"]


@pytest.mark.parametrize("method", ["UPDATE", "PRACK", "INFO"])
def test_requests_of_an_early_dialog_reach_the_callee(
    plane: Cluster, caller: Agent, callee: Agent, method: str
) -> None:
    callee.ring_s = 1.5
    call = caller.call(SBC1)
    done: list[int] = []
    thread = threading.Thread(target=lambda: done.append(call.invite().status))
    thread.start()
    wait_until(lambda: any(r.status == 180 for r in call.replies), what="180")
    ringing = next(r for r in call.replies if r.status == 180)
    early = caller.call(SBC1)
    caller.calls[call.call_id] = early  # the same dialog, seen from a second transaction
    early.call_id, early.local_tag, early.remote_tag = (
        call.call_id,
        call.local_tag,
        ringing.tag("To"),
    )
    early.routes, early.target = list(reversed(ringing.record_routes)), ringing.contact
    early.cseq = call.cseq + 1
    assert early.request(method).status == 200
    assert callee.seen(method, call.call_id)
    caller.calls[call.call_id] = call
    thread.join()
    assert done == [200]
    call.cseq = early.cseq
    call.ack()
    assert call.bye().status == 200
