"""Do the calls of a PBX prove who makes them, and reach a carrier even when one is down?

What the carriers received and answered comes from their own logs.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import pytest

from demo.calls import Round
from demo.internet import (
    ADDRESSES,
    CARRIER,
    CARRIERS,
    LOGIN,
    LOGIN_REALM,
    PBX_USER,
    REFUSING,
    SILENT,
    UNKNOWN_PBX_HOST,
    trunk_user,
)
from demo.scenarios import UNKNOWN_PBX, Kind
from sipp import messages
from sipp.messages import Message
from testbed.deployment.world import World

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]

CALLS = 3  # of each kind through each SBC
CREDENTIALS = ("Authorization", "Proxy-Authorization")
DEAD_TRUNK_LIMIT_MS = 7_000  # the SBC gives a carrier 5 s to say anything
SBC_PATIENCE_MS = 4_500


def _place(world: World, kind: Kind) -> Round:
    return world.exchange.place(kind, calls=CALLS, rate=5)


def _heard(world: World, party: str, calls: Round) -> list[Message]:
    """Everything that a carrier received and sent in these calls."""
    ids = set(calls.call_ids)
    return [message for message in world.exchange.heard(party) if message.call_id in ids]


def _invites(found: Sequence[Message]) -> list[Message]:
    return [message for message in found if message.method == "INVITE" and not message.sent]


def _replies_to_caller(calls: Round) -> dict[str, list[int]]:
    """Final answers that the caller got to its INVITEs, in order, by Call-ID."""
    found: dict[str, list[int]] = {}
    for result in calls.results:
        for message in messages.read(result.folder):
            if not message.sent and message.status >= 200 and message.cseq[1] == "INVITE":
                found.setdefault(message.call_id, []).append(message.status)
    return found


def _user(header: str) -> str:
    match = re.search(r'username="([^"]*)"', header)
    return match[1] if match else ""


def test_pbx_is_challenged_and_then_answered_by_the_carrier(world: World) -> None:
    calls = _place(world, world.exchange.outbound.answered)

    assert calls.ok, calls
    assert calls.ways == {("carrier 200",): calls.placed}
    replies = _replies_to_caller(calls)
    assert replies == {call_id: [407, 200] for call_id in calls.call_ids}


def test_credentials_of_the_pbx_are_not_forwarded(world: World) -> None:
    calls = _place(world, world.exchange.outbound.answered)

    sent = [m for result in calls.results for m in messages.read(result.folder) if m.sent]
    assert any(_user(m.header("Proxy-Authorization")) == PBX_USER for m in sent), "nothing to hide"
    found = _heard(world, CARRIER, calls)
    assert len(_invites(found)) == calls.placed
    for message in found:
        assert not any(message.header(name) for name in CREDENTIALS), message.text


@pytest.mark.parametrize("guess", ["", "letmein"], ids=["empty", "wrong"])
def test_wrong_password_never_gets_through(world: World, guess: str) -> None:
    kind = world.exchange.outbound.answered
    scenario = replace(kind.scenario, password=guess, expect=407)
    calls = world.exchange.place(replace(kind, scenario=scenario, way=()), calls=1)

    assert calls.ok, calls
    replies = _replies_to_caller(calls)
    assert replies == {call_id: [407, 407] for call_id in calls.call_ids}
    assert calls.ways == {(): calls.placed}, "a carrier was asked"


def test_unknown_pbx_is_challenged_and_refused(world: World) -> None:
    calls = _place(world, UNKNOWN_PBX)

    assert calls.ok, calls
    assert calls.ways == {(): calls.placed}, "a carrier was asked"


def test_credentials_of_a_pbx_do_not_serve_another_address(world: World) -> None:
    """This PBX is known by its address and its password: both must fit."""
    kind = world.exchange.outbound.answered
    scenario = replace(kind.scenario, expect=407)
    stolen = replace(kind, host=UNKNOWN_PBX_HOST, scenario=scenario, way=())
    calls = world.exchange.place(stolen, calls=1)

    assert calls.ok, calls
    assert _replies_to_caller(calls) == {call_id: [407, 407] for call_id in calls.call_ids}


def test_second_trunk_takes_what_the_first_refuses(world: World) -> None:
    calls = _place(world, world.exchange.outbound.failover)

    assert calls.ok, calls
    assert calls.ways == {("carrier2 503", "carrier 200"): calls.placed}
    for party in (REFUSING, CARRIER):
        asked = {m.header("Call-ID") for m in _invites(_heard(world, party, calls))}
        assert asked == set(calls.call_ids), party
    for invite in _invites(_heard(world, CARRIER, calls)):
        assert ADDRESSES[REFUSING] not in invite.text, "of the refused attempt"
        assert invite.start.endswith(f"@{ADDRESSES[CARRIER]}:5060 SIP/2.0")
    assert {m.status for result in calls.results for m in messages.read(result.folder)}.isdisjoint(
        {500, 503}
    ), "the caller must not hear of the first trunk"


def test_second_trunk_takes_over_when_the_first_does_not_answer(world: World) -> None:
    calls = _place(world, world.exchange.outbound.failover_from_silent)

    assert calls.ok, calls
    assert calls.ways == {("carrier3 no answer", "carrier 200"): calls.placed}
    silent = _heard(world, SILENT, calls)
    assert not any(message.sent for message in silent)
    assert len(_invites(silent)) > calls.placed, "not even repeated: was it asked at all?"
    assert min(calls.setup_ms) >= SBC_PATIENCE_MS, "it was not waited for"
    assert max(calls.setup_ms) <= DEAD_TRUNK_LIMIT_MS


def test_router_logs_in_at_a_carrier_that_wants_it(world: World) -> None:
    calls = _place(world, world.exchange.outbound.carrier_login)

    assert calls.ok, calls
    assert calls.ways == {("carrier4 401", "carrier4 200"): calls.placed}
    invites = _invites(_heard(world, LOGIN, calls))
    logins = [m.header("Authorization") for m in invites if m.header("Authorization")]
    assert len(logins) == calls.placed
    assert {_user(login) for login in logins} == {trunk_user(world.tenant)}
    assert all(f'realm="{LOGIN_REALM}"' in login for login in logins)
    assert not any(m.header("Proxy-Authorization") for m in invites), "the PBX's"
    replies = _replies_to_caller(calls)
    assert replies == {call_id: [407, 200] for call_id in calls.call_ids}, "it saw the carrier's"


def test_caller_gets_an_error_when_every_trunk_refuses(world: World) -> None:
    calls = _place(world, world.exchange.outbound.all_trunks_fail)

    assert calls.ok, calls
    assert calls.ways == {("carrier2 503",): calls.placed}
    assert _replies_to_caller(calls) == {call_id: [407, 500] for call_id in calls.call_ids}


def test_number_without_a_rule_is_refused_with_404(world: World) -> None:
    calls = _place(world, world.exchange.outbound.unrouted)

    assert calls.ok, calls
    assert calls.ways == {(): calls.placed}
    assert _replies_to_caller(calls) == {call_id: [407, 404] for call_id in calls.call_ids}


def test_no_internal_address_or_name_reaches_a_carrier(world: World) -> None:
    calls = _place(world, world.exchange.outbound.answered)

    inside = [machine.private_ip for machine in world.lab.machines()]
    for party in CARRIERS:
        for message in _heard(world, party, calls):
            assert not any(address in message.text for address in inside), message.text
            assert "X-C4-" not in message.text
