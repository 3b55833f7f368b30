"""Logins at carriers, and how the requests of such a call are counted from there on."""

from __future__ import annotations

import hashlib
import re
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from common.topology import Tier
from testbed.sip.addresses import CALLEE, CALLEE2, CALLER, SBC1, SBC2
from testbed.sip.agent import Agent, Call, Message, sdp
from testbed.sip.calls import established
from testbed.sip.plane import Cluster, wait_until
from testbed.sip.records import only_record
from testbed.sip.router_confd_stub import answer

pytestmark = pytest.mark.sip
CHALLENGE = 'Digest realm="carrier.example", nonce="abc123", algorithm=MD5'


def login(username: str, password: str, realm: str) -> dict[str, Any]:
    """A routing answer whose only route has credentials, as router-confd gives them."""
    made = answer(f"sip:{CALLEE}:5060", uri=f"sip:100@{CALLEE}:5060")
    ha1 = hashlib.md5(f"{username}:{realm}:{password}".encode()).hexdigest()
    made["rtjson"]["routes"][0] |= {"auth_username": username, "auth_ha1": ha1, "realm": realm}
    return made


def answered(plane: Cluster, made: dict[str, Any]) -> None:
    """Both router-confd answer so from now on."""
    for stub in plane.confds:
        stub.answer = made


class Carrier:
    """Refuses an INVITE without the right digest."""

    def __init__(self, agent: Agent, password: str) -> None:
        self.password, self.invites = password, list[Message]()
        self.within = False  # a dialog, too
        agent.challenge = self.challenge

    def challenge(self, message: Message) -> str:
        """`WWW-Authenticate` value for a refusal; empty accepts."""
        if message.tag("To") and not self.within:
            return ""
        if message.method == "INVITE":
            self.invites.append(message)
        fields = dict(
            part.strip().split("=", 1)
            for part in message.get("Authorization")[7:].split(",")
            if part
        )
        value = {k: v.strip('"') for k, v in fields.items()}
        if value:
            ha1 = hashlib.md5(f"user:carrier.example:{self.password}".encode()).hexdigest()
            ha2 = hashlib.md5(f"{message.method}:{value['uri']}".encode()).hexdigest()
            right = hashlib.md5(f"{ha1}:{value['nonce']}:{ha2}".encode()).hexdigest()
            if value["response"] == right:
                return ""
        return CHALLENGE


def test_router_logs_in_at_the_carrier(plane: Cluster, caller: Agent, callee: Agent) -> None:
    carrier = Carrier(callee, "secret")
    answered(plane, login("user", "secret", "carrier.example"))
    call, _ = established(caller, callee)
    first, second = carrier.invites
    assert second.cseq == first.cseq + 1
    assert not [m for m in caller.received if m.status == 401]
    assert call.bye().status == 200
    assert callee.seen("BYE", call.call_id)[0].cseq > second.cseq


def test_refused_login_ends_the_call(plane: Cluster, caller: Agent, callee: Agent) -> None:
    carrier = Carrier(callee, "other")
    answered(plane, login("user", "secret", "carrier.example"))
    assert caller.call(SBC1).invite().status == 500
    assert len(carrier.invites) == 2


@pytest.fixture
def carrier(plane: Cluster, callee: Agent) -> Carrier:
    answered(plane, login("user", "secret", "carrier.example"))
    return Carrier(callee, "secret")


def gets_no_digest(call: Call, far: Agent) -> None:
    """A far end that asks for the carrier's login within its call sees nothing of it."""
    far.challenge = lambda _: CHALLENGE
    assert call.request("INFO").status == 401
    assert not any(m.get("Authorization") for m in far.received)
    far.challenge = lambda _: ""


def counted(call: Call, callee: Agent, method: str, **options: Any) -> Message:
    """A request of the caller, which the callee sees with one more in its CSeq than was sent."""
    assert call.request(method, **options).status == 200  # of its own CSeq
    message = callee.seen(method, call.call_id)[-1]
    assert message.cseq == call.cseq + 1
    return message


def speak(call: Call, callee: Agent) -> None:
    """Requests of both sides within the call."""
    other = callee.calls[call.call_id]
    counted(call, callee, "INVITE", body=sdp(call.agent.address[0], 6000))
    call.ack()
    wait_until(lambda: callee.seen("ACK", call.call_id)[-1].cseq == call.cseq + 1, what="ACK")
    rack = re.compile(rf"77 {call.cseq + 1} INVITE")
    message = counted(call, callee, "PRACK", extra=f"RAck: 77 {call.cseq} INVITE\r\n")
    assert rack.fullmatch(message.get("RAck"))
    assert other.request("INFO").status == 200
    assert call.agent.seen("INFO", call.call_id)[-1].cseq == other.cseq
    counted(call, callee, "INFO")


def test_requests_after_a_login_go_on_from_its_cseq(
    plane: Cluster, caller: Agent, callee: Agent, carrier: Carrier
) -> None:
    call, _ = established(caller, callee)
    first, second = carrier.invites
    assert (first.cseq, second.cseq) == (call.cseq, call.cseq + 1)
    assert {m.cseq for m in call.replies} == {call.cseq}
    speak(call, callee)
    counted(call, callee, "BYE")


def within(call: Call, callee: Agent, method: str, **options: Any) -> Message:
    """A request that the carrier wants a login for; what it got at last, with the login."""
    last = max(
        m.cseq for m in list(callee.received)
        if not m.is_reply and m.call_id == call.call_id and m.method != "ACK"
    )  # fmt: skip
    result = call.request(method, **options)
    assert result.status == 200
    assert result.message is not None and result.message.cseq == call.cseq
    first, second = callee.seen(method, call.call_id)[-2:]
    assert (first.cseq, second.cseq) == (last + 1, last + 2)
    assert not first.get("Authorization")
    assert second.get("Authorization")
    return second


@pytest.mark.parametrize("router_dies", [False, True], ids=["", "router dies"])
def test_carrier_wants_the_login_within_the_call_too(
    plane: Cluster, caller: Agent, callee: Agent, carrier: Carrier, router_dies: bool
) -> None:
    call, other = established(caller, callee)
    carrier.within = True
    if router_dies:
        plane.router_of(plane.nodes["sbc1"], call.call_id).kill()
        assert other.request("INFO").status == 200  # nobody else has to notice now
    offer = within(call, callee, "INVITE", body=sdp(CALLER, 6000))
    assert CALLER not in offer.body
    call.ack()
    wait_until(lambda: callee.seen("ACK", call.call_id)[-1].cseq == offer.cseq, what="ACK")
    within(call, callee, "INFO")
    within(call, callee, "BYE")
    assert not [m for m in caller.received if m.status == 401]
    assert all(m.get("Authorization") == "" for m in caller.received)
    only_record(plane, call.call_id)


def test_login_is_forgotten_where_the_next_route_has_none(
    plane: Cluster, caller: Agent, callee: Agent
) -> None:
    """Another carrier gets no digest of the first one's password, whatever it asks for."""
    carrier = Carrier(callee, "other")
    made = login("user", "secret", "carrier.example")
    more = answer(f"sip:{CALLEE2}:5060", uri=f"sip:100@{CALLEE2}:5060")
    made["rtjson"]["routes"] += more["rtjson"]["routes"]
    answered(plane, made)
    second = plane.ua(CALLEE2)
    call = caller.call(SBC1)
    assert call.invite().status == 200
    call.ack()
    assert len(carrier.invites) == 2
    gets_no_digest(call, second)
    assert call.bye().status == 200


def test_login_is_of_the_call_and_not_of_its_call_id(
    plane: Cluster, caller: Agent, callee: Agent, carrier: Carrier
) -> None:
    """Somebody else's call with the same Call-ID gets no digest, and does not change the CSeq."""
    call, _ = established(caller, callee)
    answered(plane, answer(f"sip:{CALLEE2}:5060", uri=f"sip:100@{CALLEE2}:5060"))
    somebody, far = plane.ua(CALLER, 5062), plane.ua(CALLEE2)
    twin = somebody.call(SBC1)
    twin.call_id = call.call_id
    somebody.calls[call.call_id] = twin
    assert twin.invite().status == 200
    twin.ack()
    gets_no_digest(twin, far)
    speak(call, callee)
    counted(call, callee, "BYE")
    assert twin.bye().status == 200


def test_first_call_of_a_call_id_gets_no_digest_of_the_second(
    plane: Cluster, caller: Agent, callee: Agent
) -> None:
    """Whose far end is the caller's own: it would choose the nonce, and guess the password."""
    far = plane.ua(CALLEE2)
    answered(plane, answer(f"sip:{CALLEE2}:5060", uri=f"sip:100@{CALLEE2}:5060"))
    first = caller.call(SBC1)
    assert first.invite().status == 200
    first.ack()
    Carrier(callee, "secret")
    answered(plane, login("user", "secret", "carrier.example"))
    second = caller.call(SBC1)
    second.call_id = first.call_id
    caller.calls[first.call_id] = second
    assert second.invite().status == 200
    second.ack()
    caller.calls[first.call_id] = first
    gets_no_digest(first, far)


def test_ack_is_of_the_invite_whatever_was_challenged_since(
    plane: Cluster, caller: Agent, callee: Agent, carrier: Carrier
) -> None:
    callee.ring_s = 1.5
    call = caller.call(SBC1)
    with ThreadPoolExecutor() as pool:
        placed = pool.submit(call.invite, timeout=12)
        wait_until(lambda: bool(call.replies and call.replies[-1].status == 180), what="180")
        ringing, invite = call.replies[-1], call.cseq
        call.remote_tag, call.target = ringing.tag("To"), ringing.contact
        call.routes = list(reversed(ringing.record_routes))
        carrier.within = True
        assert call.request("PRACK", extra=f"RAck: 77 {invite} INVITE\r\n").status == 200
        first, second = callee.seen("PRACK", call.call_id)
        assert [m.cseq for m in (first, second)] == [invite + 2, invite + 3]
        assert {m.get("RAck") for m in (first, second)} == {f"77 {invite + 1} INVITE"}
        assert placed.result().status == 200
    call._ack(invite, "")
    other = callee.calls[call.call_id]
    wait_until(lambda: other.state == "confirmed", what="ACK")
    assert callee.seen("ACK", call.call_id)[-1].cseq == carrier.invites[1].cseq == invite + 1
    within(call, callee, "BYE")


def test_answer_in_prack_goes_through_the_relay_after_the_login(
    plane: Cluster, caller: Agent, callee: Agent, carrier: Carrier
) -> None:
    call, _ = established(caller, callee)
    carrier.within = True
    rack = f"RAck: 1 {call.cseq} INVITE\r\n"
    message = within(call, callee, "PRACK", extra=rack, body=sdp(CALLER, 6000))
    assert "m=audio" in message.body
    assert CALLER not in message.body
    within(call, callee, "BYE")


def test_requests_that_are_challenged_at_once_get_numbers_of_their_own(
    plane: Cluster, caller: Agent, callee: Agent, carrier: Carrier
) -> None:
    call, _ = established(caller, callee)
    carrier.within = True
    for method in ("INFO", "NOTIFY"):
        call.cseq += 1
        caller.send(call.build(method, call.cseq, f"z9hG4bKx{method}{call.cseq}"), call.peer)

    def numbers() -> list[int]:
        return [m.cseq for method in ("INFO", "NOTIFY") for m in callee.seen(method, call.call_id)]

    wait_until(lambda: len(numbers()) == 4, what="both, and both with the login")
    assert len(set(numbers())) == 4
    assert call.bye().status == 200
    assert min(m.cseq for m in callee.seen("BYE", call.call_id)) > max(numbers())


def test_sbc_that_takes_over_a_ringing_call_knows_how_it_is_counted(
    plane: Cluster, caller: Agent, callee: Agent, carrier: Carrier
) -> None:
    callee.ring_s = 7.0
    call = caller.call(SBC1)
    dead = plane.nodes["sbc1"]
    with ThreadPoolExecutor() as pool:
        placed = pool.submit(call.invite, timeout=12)
        wait_until(lambda: len(carrier.invites) == 2, what="the INVITE with the login")
        time.sleep(0.3)
        dead.kill()
        replacement = plane.add("sbc4", Tier.SBC, "10.40.10.14", SBC1[0])
        try:
            plane.apply_lists()
            assert placed.result().status == 200
            call.ack()
            other = callee.calls[call.call_id]
            wait_until(lambda: other.state == "confirmed", what="ACK")
            assert callee.seen("ACK", call.call_id)[-1].cseq == carrier.invites[1].cseq
            counted(call, callee, "BYE")
        finally:
            plane.retire(replacement, SBC1[0], dead)


def test_cancel_after_a_login_is_of_the_invite_with_it(
    plane: Cluster, caller: Agent, callee: Agent, carrier: Carrier
) -> None:
    callee.answer = 0
    call = caller.call(SBC1)
    assert call.invite(cancel_after=0.6).status == 487
    (cancel,) = callee.seen("CANCEL", call.call_id)
    assert cancel.cseq == call.cseq + 1
    ack = callee.seen("ACK", call.call_id)[-1]
    assert ack.cseq == call.cseq + 1


def test_other_router_knows_how_requests_are_counted(
    plane: Cluster, caller: Agent, callee: Agent, carrier: Carrier
) -> None:
    call, _ = established(caller, callee)
    plane.router_of(plane.nodes["sbc1"], call.call_id).kill()
    speak(call, callee)
    counted(call, callee, "BYE")


def test_other_sbc_knows_how_requests_are_counted(
    plane: Cluster, caller: Agent, callee: Agent, carrier: Carrier
) -> None:
    call, _ = established(caller, callee)
    wait_until(
        lambda: "name:" in plane.nodes["sbc2"].rpc("htable.dump", "cseq_offset"), what="news"
    )
    plane.nodes["sbc1"].kill()
    call.peer = SBC2
    counted(call, callee, "INFO")
    counted(call, callee, "BYE")


def test_answer_of_a_ringing_call_whose_router_died_has_the_callers_cseq(
    plane: Cluster, caller: Agent, callee: Agent, carrier: Carrier
) -> None:
    callee.ring_s = 1.5
    call = caller.call(SBC1)
    with ThreadPoolExecutor() as pool:
        placed = pool.submit(call.invite, timeout=12)
        wait_until(lambda: len(carrier.invites) == 2, what="the INVITE with the login")
        wait_until(lambda: bool(call.replies and call.replies[-1].status == 180), what="180")
        plane.router_of(plane.nodes["sbc1"], call.call_id).kill()
        assert placed.result().status == 200
    assert plane.nodes["sbc1"].logged("may be down, reply 200 goes through") >= 1
    call.ack()
    speak(call, callee)
    counted(call, callee, "BYE")
