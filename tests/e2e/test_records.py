"""Does every call leave exactly one record in router-confd, with what it was?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from demo.internet import ADDRESSES, CARRIERS, PBX
from demo.router_confd import access, objects
from demo.scenarios import BY_DID, UNKNOWN_NUMBER, UNKNOWN_PBX, Kind, Outbound, by_domain
from sipp import messages
from testbed.deployment.records import records_by_call
from testbed.deployment.world import World

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]

CALLS = 2
HOLD_S = 3

KINDS: dict[str, Callable[[World, Outbound], Kind]] = {
    "by DID": lambda _world, _outbound: BY_DID,
    "by domain": lambda world, _outbound: by_domain(world.tenant),
    "unknown number": lambda _world, _outbound: UNKNOWN_NUMBER,
    "unknown PBX": lambda _world, _outbound: UNKNOWN_PBX,
    "outbound": lambda _world, outbound: outbound.answered,
    "carrier's digest": lambda _world, outbound: outbound.carrier_login,
    "first trunk refuses": lambda _world, outbound: outbound.failover,
    "first trunk is dead": lambda _world, outbound: outbound.failover_from_silent,
    "every trunk refuses": lambda _world, outbound: outbound.all_trunks_fail,
    "no rule": lambda _world, outbound: outbound.unrouted,
}


def _longer(kind: Kind) -> Kind:
    return replace(kind, scenario=replace(kind.scenario, hold_ms=HOLD_S * 1000))


def test_every_call_leaves_one_record_that_tells_what_it_was(world: World) -> None:
    began = datetime.now(UTC)
    kinds = [_longer(make(world, world.exchange.outbound)) for make in KINDS.values()]
    with world.exchange.placing(kinds, calls=CALLS, rate=5) as placing:
        rounds = placing.wait()
    assert all(round.ok for round in rounds), rounds

    call_ids = [call_id for round in rounds for call_id in round.call_ids]
    expected = sum(round.placed * round.kind.records for round in rounds)
    assert expected < len(call_ids), "the unknown PBX's leave none"
    found = records_by_call(world, call_ids, expected)
    tenant = access(world.cluster, world.tenant).tenant_uuid
    trunks = _names(world, "carrier_trunks", "sip_proxy")
    pbxs = _names(world, "ipbxs", "ip_fqdn")
    for round in rounds:
        for result in round.results:
            invites = {
                m.call_id: m
                for m in messages.read(result.folder)
                if m.sent and m.method == "INVITE"
            }
            for call_id in result.call_ids:
                title = round.kind.title
                assert len(found[call_id]) == round.kind.records, (title, found[call_id])
                for record in found[call_id]:
                    invite = invites[call_id]
                    assert record["tenant_uuid"] == tenant, title
                    assert record["source_ip"] == ADDRESSES[round.kind.host], title
                    assert record["source_port"] == _port(invite), title
                    assert record["from_uri"] == _uri(invite.header("From")), title
                    assert record["to_uri"] == _uri(invite.header("To")), title
                    start = datetime.fromisoformat(record["call_start"])
                    assert abs(start - began) < timedelta(seconds=30), title
                    trunk, pbx = _parties(round.kind)
                    assert trunks.get(record.get("carrier_trunk_id")) == trunk, title
                    assert pbxs.get(record.get("ipbx_id")) == pbx, title
                    answered = round.kind.scenario.expect < 300
                    least, most = (HOLD_S - 1, HOLD_S + 2) if answered else (0, 0)
                    assert least <= record["duration"] <= most, (title, record)


def _names(world: World, resource: str, address: str) -> dict[int | None, str]:
    """Hosts outside by the id of their trunk or PBX."""
    hosts = {value: name for name, value in ADDRESSES.items()}
    found = objects(world.cluster, world.tenant, resource)
    return {row["id"]: hosts[row[address]] for row in found}


def _parties(kind: Kind) -> tuple[str | None, str | None]:
    """The carrier whose trunk the call came from, or went to at last; and the PBX of the call."""
    asked = [step.partition(" ")[0] for step in kind.way]
    parties = [kind.host, *asked]
    trunk = next((name for name in reversed(parties) if name in CARRIERS), None)
    return trunk, PBX if PBX in parties else None


def _uri(header: str) -> str:
    return header.partition("<")[2].partition(">")[0]


def _port(invite: messages.Message) -> int:
    """The caller's port, from its Via."""
    return int(invite.header("Via").partition(";")[0].rpartition(":")[2])
