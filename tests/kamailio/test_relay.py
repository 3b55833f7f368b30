"""Nobody makes the edge send to a third address, and internal headers are ours alone."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator

import pytest

from common import ports
from testbed.sip.addresses import ATTACKER, CALLEE, CALLEE2, SBC1, SBC2, VICTIM
from testbed.sip.agent import Agent, Message, sdp
from testbed.sip.calls import established
from testbed.sip.metrics import refused
from testbed.sip.plane import Cluster, wait_joined, wait_until
from testbed.sip.raw_messages import replies, request, send

pytestmark = pytest.mark.sip
_number = itertools.count(1)


@pytest.fixture(scope="module", autouse=True)
def _joined(plane: Cluster) -> None:
    wait_joined(*plane.tier("sbc"))


@pytest.fixture(scope="module")
def third(plane: Cluster) -> Iterator[Agent]:
    """Listens as long as the module's tests run."""
    agent = plane.ua(VICTIM)
    plane.agents.remove(agent)
    yield agent
    agent.close()


@pytest.fixture
def victim(third: Agent) -> Iterator[Agent]:
    """A third address that has nothing to do with us; not one packet may reach it, ever."""
    yield third
    assert not third.received


# --- forged Via ------------------------------------------------------------------------------


@pytest.mark.parametrize("via", [
    f"SIP/2.0/UDP {VICTIM}:5060;branch=z9hG4bKv1",
    f"SIP/2.0/UDP {VICTIM};rport;branch=z9hG4bKv2",
    f"SIP/2.0/UDP {ATTACKER}:5060;received={VICTIM};rport=5060;branch=z9hG4bKv3",
    f"SIP/2.0/UDP {ATTACKER}:5060;maddr={VICTIM};branch=z9hG4bKv4",
    f"SIP/2.0/TCP {VICTIM}:5060;branch=z9hG4bKv5",
    f"SIP/2.0/UDP {ATTACKER}:9;branch=z9hG4bKv6",
    f"SIP/2.0/UDP {ATTACKER};received={VICTIM};branch=z9hG4bKv7, SIP/2.0/UDP {VICTIM}",
], ids=["host", "rport", "received", "maddr", "transport", "port", "many"])  # fmt: skip
@pytest.mark.parametrize("method", ["OPTIONS", "REGISTER", "INVITE", "BYE"])
def test_replies_go_to_the_source_of_the_packet(
    plane: Cluster, attacker: Agent, callee: Agent, victim: Agent, method: str, via: str
) -> None:
    """Final replies of the edge itself (200, 405, 481) and of a call that was set up (486)."""
    callee.answer = 486
    since = len(attacker.received)
    to_tag = "x" if method == "BYE" else ""
    via += str(next(_number))
    send(attacker, request(attacker, method, via=via, to_tag=to_tag, body=sdp(ATTACKER, 6000)))
    expected = {"OPTIONS": 200, "REGISTER": 405, "INVITE": 486, "BYE": 481}[method]
    found = replies(attacker, since, 3, lambda m: m.method == method)  # one may come again
    assert [m.status for m in found][:1] == [expected]


def test_reply_is_not_sent_on_to_its_second_via(
    plane: Cluster, attacker: Agent, victim: Agent
) -> None:
    """What a stateless proxy would do with a reply that has its own Via on top."""
    for status in ("200 OK", "183 Session Progress", "503 Service Unavailable"):
        for own in (SBC1[0], plane.nodes["sbc1"].address):
            for second in ("\r\nVia: ", "\r\nv: ", ", "):
                text = (
                    f"SIP/2.0 {status}\r\nVia: SIP/2.0/UDP {own}:5060;branch=z9hG4bKcafe.1.0"
                    f"{second}SIP/2.0/UDP {VICTIM}:5060;branch=z9hG4bKx\r\n"
                    f"From: <sip:a@b>;tag=1\r\nTo: <sip:c@d>;tag=2\r\nCall-ID: {next(_number)}\r\n"
                    "CSeq: 1 INVITE\r\nX-C4-Destination: sip:x@y\r\nContent-Length: 0\r\n\r\n"
                )
                send(attacker, text.encode())


def test_callee_cannot_send_its_reply_elsewhere(
    plane: Cluster, caller: Agent, callee: Agent, victim: Agent
) -> None:
    """A called party adds a Via to its genuine reply: that one is dropped, the call goes on."""
    callee.answer = 0
    seen = len(callee.received)

    def forge(message: Message) -> None:
        lines = ["SIP/2.0 200 OK", f"Via: {message.get('Via')}"]
        lines += [f"Via: SIP/2.0/UDP {VICTIM}:5060;branch=z9hG4bK{n}" for n in (1, 2)]
        lines += [f"{n}: {message.get(n)}" for n in ("From", "Call-ID", "CSeq")]
        lines += [f"To: {message.get('To')};tag=forged", "Content-Length: 0", "", ""]
        callee.sock.sendto("\r\n".join(lines).encode(), message.source)
        time.sleep(0.3)
        callee.reply(message, 486, "Busy Here", tag="genuine")

    def called() -> None:
        wait_until(lambda: bool(callee.received[seen:]))
        forge(callee.received[seen])

    call = caller.call(SBC1)
    threading.Thread(target=called).start()
    assert call.invite().status == 486


# --- forged Route and Request-URI ------------------------------------------------------------

OWN = (f"<sip:{SBC1[0]}:{ports.SIP};r2=on;lr>",) * 2
TO_VICTIM = f"<sip:{VICTIM}:5060;lr>"


@pytest.mark.parametrize("method", ["INFO", "UPDATE", "REFER", "INVITE", "BYE", "ACK"])
@pytest.mark.parametrize("way", ["route", "routes", "only-route", "uri", "strict", "maddr"])
def test_requests_within_a_dialog_stay_in_it(
    plane: Cluster, caller: Agent, callee: Agent, victim: Agent, method: str, way: str
) -> None:
    """By a party of the dialog, who knows its tags."""
    call, other = established(caller, callee)
    routes, target = call.routes, call.target
    if way == "route":
        call.routes = [*OWN, TO_VICTIM]
    elif way == "routes":
        call.routes = [*OWN, TO_VICTIM, TO_VICTIM, TO_VICTIM, TO_VICTIM]
    elif way == "only-route":
        call.routes = [TO_VICTIM]
    elif way == "uri":
        call.target = f"sip:x@{VICTIM}:5060"
    elif way == "maddr":
        call.target = f"sip:x@{SBC1[0]}:{ports.SIP};maddr={VICTIM}"
    else:
        call.target, call.routes = f"sip:{SBC1[0]}:{ports.SIP}", [*OWN, f"<sip:x@{VICTIM}:5060>"]
    if method == "ACK":
        call.ack()
        time.sleep(0.2)
    else:
        status = call.request(method, timeout=2).status
        print(method, way, status)
        assert status in (200, 403, 404, 408, 0)
        if method == "INVITE" and status == 200:
            call.ack()
    call.routes, call.target = routes, target
    if not (method == "BYE" and other.state == "ended"):
        assert call.bye().status == 200


@pytest.mark.parametrize("method", ["INVITE", "OPTIONS", "CANCEL", "ACK", "BYE", "MESSAGE"])
@pytest.mark.parametrize("way", ["route", "own-route", "uri"])
def test_requests_of_an_untrusted_source_are_not_relayed(
    plane: Cluster, attacker: Agent, victim: Agent, method: str, way: str
) -> None:
    for stub in plane.confds:
        stub.answer = {"auth": {"success": False}, "rtjson": {"success": False}}
    lines = {"route": [f"Route: {TO_VICTIM}"], "own-route": [
        *(f"Route: {r}" for r in OWN), f"Route: {TO_VICTIM}"], "uri": []}[way]  # fmt: skip
    uri = f"sip:x@{VICTIM}:5060" if way == "uri" else f"sip:100@{SBC1[0]}"
    for to_tag in ("", "guess"):
        send(attacker, request(attacker, method, *lines, uri=uri, to_tag=to_tag))


def test_cancel_reaches_nobody_but_the_callee(
    plane: Cluster, caller: Agent, callee: Agent, victim: Agent
) -> None:
    """A CANCEL with foreign Route and Request-URI ends the call it belongs to, and goes there."""
    callee.answer = 0
    call = caller.call(SBC1)
    sent = []

    def send_and_forge(text: str, to: tuple[str, int]) -> None:
        if text.startswith("CANCEL"):
            text = text.replace(call.target, f"sip:x@{VICTIM}:5060", 1)
            text = text.replace("\r\nFrom:", f"\r\nRoute: {TO_VICTIM}\r\nFrom:", 1)
            sent.append(text)
        caller.sock.sendto(text.encode(), to)

    caller.send = send_and_forge  # type: ignore[method-assign]
    assert call.invite(cancel_after=0.3).status == 487
    assert sent
    assert [m.method for m in callee.calls[call.call_id].requests][:2] == ["INVITE", "CANCEL"]


def test_nothing_is_sent_to_an_address_inside(plane: Cluster, caller: Agent, callee: Agent) -> None:
    """A party names one of our nodes as its proxy: it gets nothing there."""
    original = callee.send
    router = f"{plane.nodes['rtr1'].address}:{ports.SIP_INTERNAL}"
    forged = f"\r\nRecord-Route: <sip:{router};lr>\r\nRecord-Route"

    def send_with_route(text: str, to: tuple[str, int]) -> None:
        original(text.replace("\r\nRecord-Route", forged, 1), to)

    callee.send = send_with_route  # type: ignore[method-assign]
    call = caller.call(SBC1)
    assert call.invite().status == 200
    assert call.request("INFO", timeout=2).status == 477
    assert not callee.seen("INFO")
    assert refused(plane, "internal_destination") > 0


def test_route_set_of_a_carrier_is_followed(plane: Cluster, caller: Agent, callee: Agent) -> None:
    """The same rule lets a carrier's own proxies stay in the way, on either SBC."""
    proxy = plane.ua(CALLEE2)
    original = callee.send
    own = f"\r\nRecord-Route: <sip:{CALLEE2};lr>, <sip:{CALLEE};lr;second>\r\nRecord-Route"

    def send_with_routes(text: str, to: tuple[str, int]) -> None:
        original(text.replace("\r\nRecord-Route", own, 1), to)

    callee.send = send_with_routes  # type: ignore[method-assign]
    call = caller.call(SBC1)
    assert call.invite().status == 200
    call.ack()
    wait_until(lambda: bool(callee.seen("ACK")), what="ACK by way of the second proxy")
    assert callee.seen("ACK")[0].all("Route") == [f"<sip:{CALLEE};lr;second>,<sip:{CALLEE2};lr>"]
    call.request("INFO", timeout=1)
    assert callee.seen("INFO")[0].uri == f"sip:ua@{CALLEE}:5060"
    assert not proxy.received
    assert call.bye(timeout=1).status == 200


# --- dialogs of others -----------------------------------------------------------------------


@pytest.mark.parametrize("sbc", [SBC1, SBC2], ids=["same-sbc", "other-sbc"])
@pytest.mark.parametrize("method", ["BYE", "INFO", "INVITE", "REFER"])
def test_untrusted_source_that_knows_the_tags_is_not_heard(
    plane: Cluster, caller: Agent, callee: Agent, attacker: Agent, sbc: tuple[str, int], method: str
) -> None:
    call, other = established(caller, callee)
    text = call.build(method, call.cseq + 1, f"z9hG4bK{next(_number)}")
    since = len(attacker.received)
    send(attacker, text.encode(), sbc)
    assert [m.status for m in replies(attacker, since)] == [481]
    assert other.state == "confirmed"
    assert call.bye().status == 200


def test_guessed_tags_are_not_enough(
    plane: Cluster, caller: Agent, callee: Agent, attacker: Agent
) -> None:
    """Even of a known source: Call-ID and one tag are right, the other is not."""
    own, _ = established(attacker, callee)
    call, other = established(caller, callee)
    for tags in (("guess", call.remote_tag), (call.local_tag, "guess"), ("x", "y")):
        since = len(attacker.received)
        data = request(attacker, "BYE", from_tag=tags[0], to_tag=tags[1], call_id=call.call_id)
        send(attacker, data)
        assert [m.status for m in replies(attacker, since)] == [481]
    assert other.state == "confirmed"
    assert call.bye().status == 200
    assert own.bye().status == 200


@pytest.mark.parametrize("sbc", [SBC1, SBC2], ids=["same-sbc", "other-sbc"])
def test_untrusted_source_does_not_cancel_or_answer_a_ringing_call(
    plane: Cluster, caller: Agent, callee: Agent, attacker: Agent, sbc: tuple[str, int]
) -> None:
    """It knows Call-ID and CSeq, and forges CANCEL and replies from its own address."""
    callee.ring_s = 1.5
    call = caller.call(SBC1)

    def forge() -> None:
        wait_until(lambda: call.call_id in callee.calls)
        cancel = request(attacker, "CANCEL", call_id=call.call_id, from_tag=call.local_tag)
        cancel = cancel.replace(b"CSeq: 1 ", f"CSeq: {call.cseq} ".encode())
        send(attacker, cancel, sbc)
        for status in ("200 OK", "486 Busy Here"):
            send(attacker, (
                f"SIP/2.0 {status}\r\n"
                f"Via: SIP/2.0/UDP {SBC1[0]}:{ports.SIP};branch=z9hG4bKcafe.1.0\r\n"
                f"From: <sip:a@b>;tag=guess\r\nTo: <sip:c@d>;tag=2\r\nCall-ID: {call.call_id}\r\n"
                f"CSeq: {call.cseq} INVITE\r\nContent-Length: 0\r\n\r\n"
            ).encode(), sbc)  # fmt: skip

    thread = threading.Thread(target=forge)
    thread.start()
    result = call.invite()
    thread.join()
    assert result.status == 200
    assert result.seconds > 1.4
    call.ack()
    assert "CANCEL" not in [m.method for m in callee.calls[call.call_id].requests]
    assert call.bye().status == 200


# --- forged internal headers -----------------------------------------------------------------

FORGED = [
    "X-C4-Destination: sip:{v}:5060",
    "x-c4-destination: sip:{v}:5060",
    "X-C4-DESTINATION : sip:{v}:5060",
    "X-C4-Destination\t: sip:{v}:5060",
    "X-C4-Destination:\r\n sip:{v}:5060",
    "X-C4-Destination :\r\n\tsip:{v}\r\n :5060",
    "Subject: a\r\nX-C4-Destination: sip:{v}:5060\r\nX-C4-Destination: sip:{v}:5060",
    "X-C4-Source: ip={v};port=5060;proto=udp",
    "x-C4-sOuRcE:\r\n ip={v};port=5060;proto=udp",
    "X-C4-ACK-Copy: 1",
    "X-C4-Whatever: 1",
]


@pytest.mark.parametrize("header", FORGED)
def test_internal_headers_from_outside_vanish(
    plane: Cluster, attacker: Agent, callee: Agent, victim: Agent, header: str
) -> None:
    """In a new call, within it from both sides, and in replies."""
    forged = header.format(v=VICTIM) + "\r\n"
    original = callee.reply

    def reply_and_forge(
        message: Message, status: int, reason: str, *, tag: str = "", body: str = "",
        header: str = "",
    ) -> None:  # fmt: skip
        original(message, status, reason, tag=tag, body=body, header=forged.rstrip())

    callee.reply = reply_and_forge  # type: ignore[method-assign, assignment]
    call = attacker.call(SBC1, headers=forged)
    assert call.invite().status == 200
    call.ack()
    other = callee.calls[call.call_id]
    wait_until(lambda: other.state == "confirmed", what="ACK at the callee")
    assert call.request("INFO").status == 200
    other.extra = forged
    assert other.request("INFO").status == 200
    assert call.bye().status == 200
    (asked,) = [r for stub in plane.confds for r in stub.requests]
    assert asked["source_ip"] == ATTACKER
    for agent in (attacker, callee):
        for message in agent.received:
            assert not [n for n, _ in message.headers if n.startswith("x-c4")]
            assert VICTIM not in str(message.headers)


def test_nothing_ever_reached_the_victim(third: Agent) -> None:
    """Nor late: the last test, for all of the above."""
    time.sleep(2)
    assert not third.received
