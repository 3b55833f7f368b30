"""Exactly one record per call."""

from __future__ import annotations

import re
import time

import pytest

from agent.kamailio import dialogs
from common import cdr
from common.topology import Role
from rendering.contexts import Records
from testbed.agent_samples import config as agent_config
from testbed.sip.addresses import CALLEE, CALLEE2, CALLER, SBC1
from testbed.sip.agent import Agent
from testbed.sip.calls import established
from testbed.sip.node import Node
from testbed.sip.plane import Cluster, wait_until
from testbed.sip.records import only_record, records
from testbed.sip.router_confd_stub import answer

pytestmark = pytest.mark.sip


def test_answered_call_has_one_record(plane: Cluster, caller: Agent, callee: Agent) -> None:
    began = time.monotonic()
    call, _ = established(caller, callee)
    time.sleep(2.1)
    call.bye()
    record = only_record(plane, call.call_id)
    assert 2 <= record["duration"] <= time.monotonic() - began + 1
    assert record["source_ip"] == CALLER
    assert record["source_port"] == 5060
    assert record["tenant_uuid"] == answer()["auth"]["tenant_uuid"]
    assert abs(record["call_start"] - time.time()) < 10
    assert record["to_uri"] == f"sip:100@{SBC1[0]}"
    assert record["carrier_trunk_id"] == 1
    assert "ipbx_id" not in record, "the answer names none"
    time.sleep(0.3)
    for table in ("unconfirmed_records", "replicated_records"):
        assert all(r.rpc("htable.dump", table) == "" for r in plane.tier("rtr")), table


def test_refused_call_has_one_record(plane: Cluster, caller: Agent, callee: Agent) -> None:
    callee.answer = 486
    call = caller.call(SBC1)
    assert call.invite().status == 486
    assert only_record(plane, call.call_id)["duration"] == 0


def test_record_names_the_pbx_and_the_trunk_that_was_used(
    plane: Cluster, caller: Agent, callee: Agent
) -> None:
    """A PBX calls out; the first trunk refuses."""
    plane.ua(CALLEE2)
    callee.answer = 503
    for stub in plane.confds:
        stub.answer = answer(
            f"sip:{CALLEE}:5060", f"sip:{CALLEE2}:5060", carrier_trunk_id=None, ipbx_id=7
        )
        for trunk, route in enumerate(stub.answer["rtjson"]["routes"], 11):
            route["carrier_trunk_id"] = trunk
    call = caller.call(SBC1)
    assert call.invite().status == 200
    call.ack()
    assert call.bye().status == 200
    record = only_record(plane, call.call_id)
    assert (record["ipbx_id"], record["carrier_trunk_id"]) == (7, 12)


def test_cancelled_call_has_one_record(plane: Cluster, caller: Agent, callee: Agent) -> None:
    callee.answer = 0
    call = caller.call(SBC1)
    assert call.invite(cancel_after=0.3).status == 487
    assert only_record(plane, call.call_id)["duration"] == 0


def test_call_without_destination_has_one_record(plane: Cluster, caller: Agent) -> None:
    for stub in plane.confds:
        stub.answer = answer()
    call = caller.call(SBC1)
    assert call.invite().status == 404
    assert only_record(plane, call.call_id)["duration"] == 0


def test_call_ended_by_another_router_has_one_record(
    plane: Cluster, caller: Agent, callee: Agent
) -> None:
    call, _ = established(caller, callee)
    plane.router_of(plane.nodes["sbc1"]).kill()
    answered = time.monotonic()
    time.sleep(1.1)
    assert call.bye().status == 200
    assert 1 <= only_record(plane, call.call_id)["duration"] <= time.monotonic() - answered + 1


def test_rescued_call_has_one_record(plane: Cluster, caller: Agent, callee: Agent) -> None:
    callee.ring_s = 3
    call = caller.call(SBC1)
    dying = plane.kill_router_of(call)
    assert call.invite(timeout=8).status == 200
    dying.join()
    call.ack()
    answered = time.monotonic()
    time.sleep(1.1)
    assert call.bye().status == 200
    assert 1 <= only_record(plane, call.call_id)["duration"] <= time.monotonic() - answered + 1


def test_call_that_is_tried_again_has_a_record_of_its_own(
    plane: Cluster, caller: Agent, callee: Agent
) -> None:
    """With the Call-ID and the tag of the refused one, as after a 503 with Retry-After."""
    callee.answer = 486
    call = caller.call(SBC1)
    assert call.invite().status == 486
    callee.answer = 200
    assert call.invite().status == 200
    call.ack()
    time.sleep(1.1)
    assert call.bye().status == 200
    wait_until(lambda: len(records(plane, call.call_id)) == 2, 5, "both records")
    assert sorted(r["duration"] > 0 for r in records(plane, call.call_id)) == [False, True]


def test_what_is_too_long_for_router_confd_is_cut(
    plane: Cluster, caller: Agent, callee: Agent
) -> None:
    callee.answer = 486
    long = "x" * 300
    call = caller.call(SBC1, call_id=f"{time.time()}-{long}", user=long)
    assert call.invite().status == 486
    record = only_record(plane, call.call_id[: cdr.TEXT_LENGTH])
    assert record["to_uri"] == f"sip:{long}"[: cdr.TEXT_LENGTH]
    assert len(record["idempotency_key"]) == 64, "a digest"


def test_record_that_router_confd_never_takes_makes_room(
    plane: Cluster, caller: Agent, callee: Agent
) -> None:
    """Such as of a tenant that was deleted during the call; the log has it."""
    call, _ = established(caller, callee)
    for stub in plane.confds:
        stub.knows_tenant = False
    assert call.bye().status == 200
    (owner,) = [
        n for n in plane.tier("rtr") if call.call_id in n.rpc("htable.dump", "unconfirmed_records")
    ]
    key = only_record(plane, call.call_id)["idempotency_key"]

    def tries() -> int:
        found = re.search(
            r"value: (\d+)", owner.rpc("htable.get", "rejected_records", key, check=False)
        )
        return int(found[1]) if found else 0

    wait_until(lambda: tries() >= 1, 5, "refused")
    assert call.call_id in owner.rpc("htable.dump", "unconfirmed_records")
    owner.rpc("htable.seti", "rejected_records", key, str(Records.tries - 1))
    wait_until(
        lambda: call.call_id not in owner.rpc("htable.dump", "unconfirmed_records"), 20, "given up"
    )
    assert owner.logged("does not take a call record: ") == 1
    assert owner.logged(key) > 0
    assert all(
        call.call_id not in n.rpc("htable.dump", "replicated_records") for n in plane.tier("rtr")
    )


def test_record_waits_while_router_confd_is_down(
    plane: Cluster, caller: Agent, callee: Agent
) -> None:
    call, _ = established(caller, callee)
    for stub in plane.confds:
        stub.stop()
    assert call.bye().status == 200
    time.sleep(1)
    router = agent_config(role=Role.ROUTER)
    counts = [dialogs.unconfirmed_records(router, node.rpc) for node in plane.tier("rtr")]
    assert counts in ([0, 1], [1, 0]), "what the drain of a router waits for"
    for stub in plane.confds:
        stub.start()
    assert only_record(plane, call.call_id, 15)["duration"] < 5
    assert all(dialogs.unconfirmed_records(router, node.rpc) == 0 for node in plane.tier("rtr"))


@pytest.mark.parametrize("back", [False, True], ids=["other", "restarted"])
def test_record_is_not_lost_with_its_router(
    plane: Cluster, caller: Agent, callee: Agent, back: bool
) -> None:
    """router-confd does not take it; the other router has it, or itself once it is back."""
    call, _ = established(caller, callee)
    for stub in plane.confds:
        stub.stop()
    assert call.bye().status == 200

    def holds(node: Node, table: str) -> bool:
        return call.call_id in node.rpc("htable.dump", table)

    (owner,) = (node for node in plane.tier("rtr") if holds(node, "unconfirmed_records"))
    (other,) = (node for node in plane.tier("rtr") if node is not owner)
    owner.kill()
    wait_until(lambda: holds(other, "replicated_records"), what="the record at the other router")
    last = other
    if back:
        plane.revive(owner)
        plane.apply_lists()
        wait_until(
            lambda: holds(owner, "replicated_records"), 15, "the record from the other router"
        )
        other.kill()
        last = owner
    assert plane.tier("rtr") == [last]
    assert not holds(last, "unconfirmed_records")
    for stub in plane.confds:
        stub.start()
    assert only_record(plane, call.call_id, 40)["duration"] < 5
    wait_until(lambda: not holds(last, "replicated_records"), 5, "the record is delivered")


def test_record_that_finds_no_room_at_the_other_router_gets_it_later(
    plane: Cluster, caller: Agent, callee: Agent
) -> None:
    def told(call_id: str) -> bool:
        return any(
            call_id in node.rpc("htable.dump", "replicated_records") for node in plane.tier("rtr")
        )

    for _ in range(4):  # the routers count anew every 2 s, maybe just now
        call, _ = established(caller, callee)
        for stub in plane.confds:
            stub.stop()
        for node in plane.tier("rtr"):
            node.rpc("pv.shvSet", "replicated_count", "int", str(Records.replicated_limit))
        assert call.bye().status == 200
        if not told(call.call_id):
            break
        for stub in plane.confds:
            stub.start()
    else:
        pytest.fail("there was room")
    wait_until(lambda: told(call.call_id), 3 * Records.interval_s, "room")


def test_other_router_gets_all_records_of_a_long_outage(plane: Cluster) -> None:
    """More than are sent again in one round."""
    for stub in plane.confds:
        stub.stop()
    owner, other = plane.tier("rtr")
    for number in range(150):
        owner.rpc("htable.sets", "unconfirmed_records", f"outage{number}", "0|{}")
    try:
        wait_until(
            lambda: other.rpc("htable.dump", "replicated_records").count("name: outage") == 150,
            15,
            "records",
        )
    finally:
        for table, node in (
            ("unconfirmed_records", owner),
            ("replicated_records", owner),
            ("replicated_records", other),
        ):
            node.rpc("htable.flush", table)


def test_records_of_calls_that_end_together_go_together(
    plane: Cluster, caller: Agent, callee: Agent
) -> None:
    calls = [established(caller, callee)[0] for _ in range(12)]
    for stub in plane.confds:
        stub.lists.clear()
    for call in calls:
        call.bye()
    for call in calls:
        only_record(plane, call.call_id)
    sizes = [size for stub in plane.confds for size in stub.lists]
    assert sum(sizes) == len(calls), "each once"
    assert len(sizes) < len(calls)
    assert all(
        router.rpc("htable.dump", "unconfirmed_records") == "" for router in plane.tier("rtr")
    )


def test_from_and_to_of_the_route_are_undone_towards_the_caller(
    plane: Cluster, caller: Agent, callee: Agent
) -> None:
    for stub in plane.confds:
        stub.answer = answer(f"sip:{CALLEE}:5060", uri=f"sip:100@{CALLEE}:5060")
        stub.answer["rtjson"]["routes"][0]["headers"] = {
            "from": {"display": '"Alice Doe"', "uri": "sip:39040123456@carrier.example"},
            "to": {"display": "", "uri": "sip:39040999@carrier.example"},
            "extra": "P-Asserted-Identity: <sip:39040123456@carrier.example>\r\n",
        }
    call, other = established(caller, callee)
    (invite,) = callee.seen("INVITE", call.call_id)
    assert "<sip:39040123456@carrier.example>" in invite.get("From")
    assert '"Alice Doe"' in invite.get("From")
    assert "<sip:39040999@carrier.example>" in invite.get("To")
    assert invite.get("P-Asserted-Identity") == "<sip:39040123456@carrier.example>"
    reply = next(m for m in caller.received if m.status == 200)
    assert call.local in reply.get("From")
    assert call.remote in reply.get("To")
    assert other.bye().status == 200
    assert call.remote in caller.seen("BYE", call.call_id)[0].get("From")
