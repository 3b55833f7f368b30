"""Guessed passwords, and nonces that are used, old, foreign or invented."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Iterator

import pytest

from testbed.sip.addresses import ATTACKER, CALLEE, CALLER, SBC1, SBC2
from testbed.sip.agent import Agent, Call, Result
from testbed.sip.plane import Cluster, wait_until
from testbed.sip.records import only_record
from testbed.sip.router_confd_stub import answer
from testbed.sip.sources import forgive
from testbed.sip.unheard import TAKEN, unheard

pytestmark = pytest.mark.sip
REALM = "pbx.example"


@pytest.fixture(autouse=True)
def _account(plane: Cluster) -> Iterator[None]:
    """An account whose password is `secret`."""
    ha1 = hashlib.md5(f"alice:{REALM}:secret".encode()).hexdigest()
    for stub in plane.confds:
        stub.answer = answer(f"sip:{CALLEE}:5060", username="alice", domain=REALM, password_ha1=ha1)
    plane.ua(CALLEE)
    yield
    forgive(plane)
    for sbc in plane.tier("sbc"):
        sbc.rpc("htable.flush", "account_failures")


def call_of(agent: Agent, sbc: tuple[str, int] = SBC1) -> Call:
    call = agent.call(sbc)
    call.local = f"<sip:alice@{REALM}>"
    return call


def challenged(call: Call) -> Result:
    result = call.invite()
    assert result.status == 407
    return result


def log_in(call: Call, challenge: Result, password: str, nonce: str = "") -> Result:
    """The answer to a challenge; with another nonce when one is given."""
    assert challenge.message is not None
    if nonce:
        value = challenge.message.get("Proxy-Authenticate")
        changed = re.sub(r'nonce="[^"]*"', f'nonce="{nonce}"', value)
        challenge.message.headers[:] = [
            (n, changed if n == "proxy-authenticate" else v) for n, v in challenge.message.headers
        ]
    return call.invite(extra=call.digest(challenge.message, "alice", password))


def is_stale(result: Result) -> bool:
    assert result.message is not None
    return "stale=true" in result.message.get("Proxy-Authenticate")


def banned(plane: Cluster, address: str) -> bool:
    found = plane.nodes["sbc1"].rpc("htable.get", "ban", address, check=False)
    return not found.startswith("error")


def test_nonces_that_are_not_fresh_are_challenged_again(plane: Cluster) -> None:
    """Used, invented, of another router: asked again with stale=true, and nobody is banned."""
    attacker = plane.ua(ATTACKER)
    call = call_of(attacker)
    first = challenged(call)
    assert first.message is not None
    used = re.search(r'nonce="([^"]+)"', first.message.get("Proxy-Authenticate"))
    assert used
    assert log_in(call, first, "guess").status == 407  # the nonce is gone, the password was wrong
    for nonce in (used[1], "invented", used[1][:-1] + "x", "c4-1-2", "") * 3:
        forgive_untrusted(plane)
        again = call_of(attacker)
        challenge = challenged(again)
        if not nonce:
            continue
        result = log_in(again, challenge, "secret", nonce)
        assert result.status == 407, nonce
        assert is_stale(result), nonce
    assert not banned(plane, ATTACKER)
    last = call_of(attacker)
    assert log_in(last, challenged(last), "secret").status == 200
    last.ack()
    last.bye()


def test_login_whose_router_is_not_heard_is_asked_again_and_calls_once(plane: Cluster) -> None:
    """The nonce is of a router whose replies are lost; its INVITE comes when the caller has logged
    in at the other one, with the same Call-ID."""
    (callee,) = plane.agents
    call = call_of(plane.ua(CALLER))
    first = challenged(call)
    asked = plane.nodes["sbc1"].rpc("htable.get", "challenging_router", call.call_id)
    (router,) = (node for node in plane.tier("rtr") if node.address in asked)
    before = router.logged(TAKEN)
    with unheard(plane, router.name):
        second = log_in(call, first, "secret")
        assert second.status == 407
        assert is_stale(second)
        assert log_in(call, second, "secret").status == 200
        call.ack()
    wait_until(lambda: router.logged(TAKEN) > before, 5, "its INVITE is refused")
    time.sleep(0.5)
    assert {message.cseq for message in callee.seen("INVITE", call.call_id)} == {call.cseq}
    assert not callee.seen("CANCEL", call.call_id)
    assert call.bye().status == 200
    assert only_record(plane, call.call_id)
    plane.settle()


def forgive_untrusted(plane: Cluster) -> None:
    for sbc in plane.tier("sbc"):
        sbc.rpc("htable.flush", "untrusted_calls")


def test_account_is_locked_for_untrusted_sources_only(plane: Cluster) -> None:
    """Guesses from many addresses, each below its own limit, on both SBCs."""
    owner = plane.ua(CALLER)
    call = call_of(owner)
    assert log_in(call, challenged(call), "secret").status == 200
    call.ack()
    call.bye()
    limit, guesses = plane.tenant.sip.edge.account_login_failures_per_min, 0
    each = plane.tenant.sip.edge.login_failures_per_min - 2
    refused = 0
    for n in range(limit // each + 2):
        guesser = plane.ua(f"198.51.100.{150 + n}")
        for _ in range(each):
            guess = call_of(guesser, (SBC1, SBC2)[n % 2])
            result = log_in(guess, challenged(guess), f"guess{guesses}")
            guesses += 1
            assert result.status in (407, 403)
            refused += result.status == 403
            assert result.status == 403 or guesses <= limit + 1
        assert not banned(plane, guesser.address[0])
    assert refused
    call = call_of(owner)  # who has called before goes on
    assert log_in(call, challenged(call), "secret").status == 200
    call.ack()
    assert call.bye().status == 200


def test_bad_question_is_not_the_fault_of_router_confd(plane: Cluster) -> None:
    """A call that makes router-confd answer 422 does not take it out of use."""
    for stub in plane.confds:
        stub.status = 422
    assert call_of(plane.ua(ATTACKER)).invite().status == 400
    assert sum(len(stub.requests) for stub in plane.confds) == 1
    for router in plane.tier("rtr"):
        assert "http" not in router.rpc("htable.dump", "failed_confd")
