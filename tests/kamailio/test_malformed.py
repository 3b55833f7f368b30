"""Oversized and malformed messages: refused or harmless, and nothing of them gets inside."""

from __future__ import annotations

import random
import socket
import time
from collections.abc import Iterator

import pytest

from common import ports
from testbed.sip.addresses import ATTACKER, CALLEE, CALLER, SBC1
from testbed.sip.agent import Agent, sdp
from testbed.sip.calls import call_works
from testbed.sip.netns import socket_in
from testbed.sip.plane import Cluster
from testbed.sip.processes import everybody, processes
from testbed.sip.raw_messages import hang_up, replies, request, send
from testbed.sip.sources import forgive

pytestmark = pytest.mark.sip
NO_ANSWER: list[int] = []


@pytest.fixture
def attacker(plane: Cluster) -> Iterator[Agent]:
    """Afterwards the same processes run, and a call works."""
    before = everybody(plane)
    yield plane.ua(ATTACKER)
    assert everybody(plane) == before
    call_works(plane.ua(CALLER), plane.ua(CALLEE))
    forgive(plane)


def asked(plane: Cluster) -> int:
    return sum(len(stub.requests) for stub in plane.confds)


def padded(agent: Agent, size: int) -> bytes:
    data = request(agent, "INVITE", "X-Padding: ")
    return data.replace(b"X-Padding: ", b"X-Padding: " + (size - len(data)) * b"x")


@pytest.mark.parametrize("size", [16_385, 30_000, 60_000, 65_000, 65_507])
def test_large_datagram(plane: Cluster, attacker: Agent, size: int) -> None:
    """65 507 octets are the most that UDP over IPv4 carries."""
    since = len(attacker.received)
    send(attacker, padded(attacker, size))
    assert [m.status for m in replies(attacker, since, 0.5)] in ([513], NO_ANSWER)
    assert asked(plane) == 0


@pytest.mark.parametrize("line", [
    "X-A: b", "v: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1", "Route: <sip:192.0.2.1;lr>",
    "m: <sip:x@192.0.2.1>", "Record-Route: <sip:192.0.2.1;lr>", "X-C4-Destination: sip:x@y",
    "Proxy-Authorization: Digest username=a", "a:",
])  # fmt: skip
def test_too_many_headers(plane: Cluster, attacker: Agent, line: str) -> None:
    since = len(attacker.received)
    send(attacker, request(attacker, "INVITE", *[line] * plane.tenant.sip.edge.max_headers))
    assert [m.status for m in replies(attacker, since, 0.5)] in ([400], NO_ANSWER)
    assert asked(plane) == 0


@pytest.mark.parametrize(("old", "new"), [
    ("CSeq: 1 ", "CSeq: 4294967296 "),
    ("CSeq: 1 ", "CSeq: 99999999999999999999 "),
    ("CSeq: 1 ", "CSeq: -1 "),
    ("Max-Forwards: 70", "Max-Forwards: 99999999999999999999"),
    ("Max-Forwards: 70", "Max-Forwards: -70"),
    ("Call-ID: ", "Call-ID: \0"),
    ("Call-ID: ", "Call-ID: ü"),
    (";tag=m1", ";tag="),
    (";tag=m1", ""),
    (";tag=m1", ";tag=\0"),
    ("INVITE sip:100", "INVITE sip:1\0" "00"),
    ("INVITE sip:100", "INVITE sip:ü"),
    ("INVITE sip:100", "INVITE sip:" + 5000 * "1"),
    ("INVITE sip:", "INVITE sip::::::"),
    ("INVITE sip:", "INVITE tel:"),
    ("From: ", "From: \0"),
    ("From: <sip:mallory", "From: <sip:mallory\xff"),
    ("Contact: ", "Contact: *, "),
    ("\r\nFrom", "\rX-C4-Source: ip=192.0.2.1\r\nFrom"),
    ("\r\nFrom", "\nX-C4-Source: ip=192.0.2.1\nFrom"),
    ("\r\n\r\n", ""),
], ids=range(21))  # fmt: skip
def test_one_thing_wrong(
    plane: Cluster, attacker: Agent, old: str, new: str
) -> None:  # fmt: skip
    """Refused, or silence; where it is served after all, as a call that ends well."""
    since = len(attacker.received)
    data = request(attacker, "INVITE", body=sdp(ATTACKER, 6000)).decode()
    assert old in data
    send(attacker, data.replace(old, new, 1).encode("latin-1"))
    found = replies(attacker, since, 0.4)
    if found and found[0].status == 200:
        hang_up(attacker, found[0])
    for question in (r for stub in plane.confds for r in stub.requests):
        assert question["source_ip"] == ATTACKER
        assert question["request_uri"].isascii()
        assert "\0" not in str(question)


@pytest.mark.parametrize("user", [
    "%0d%0aX-C4-Destination%3a%20sip%3a192.0.2.1%0d%0a", "a%0aX-C4-Source%3a%20ip=192.0.2.1",
    "%22%2c%22auth%22%3atrue", "a%00b", "%7b%7d", "$(ru)$avp(x)%s%n",
])  # fmt: skip
def test_escaped_line_ends_stay_escaped(plane: Cluster, attacker: Agent, user: str) -> None:
    """In the callee's message, in the question to router-confd and in the record."""
    callee = plane.ua(CALLEE)
    call = attacker.call(SBC1, user=user, from_user=user)
    call.contact = f"<sip:{user}@{ATTACKER}:5060>"
    assert call.invite().status == 200
    call.ack()
    (question,) = [r for stub in plane.confds for r in stub.requests]
    assert user in question["request_uri"]
    assert user in question["from_uri"]
    for message in callee.seen("INVITE"):
        assert not [n for n, _ in message.headers if n.startswith("x-c4")]
        assert message.contact == f"sip:{user}@{SBC1[0]}:{ports.SIP}"
    assert call.bye().status == 200
    end = time.monotonic() + 3
    while not (records := [r for stub in plane.confds for r in stub.cdrs]):
        assert time.monotonic() < end, "no record"
        time.sleep(0.05)
    assert user in records[0]["from_uri"]


@pytest.mark.parametrize("body", [
    "v=0\r\n", "v=0\r\no=- 1 1 IN IP4 \r\nm=audio\r\n", "\0" * 200, "m=audio 99999 RTP/AVP 8\r\n",
    sdp("999.1.1.1", 1),
    sdp("192.0.2.1", 6000) + 300 * "a=x:y\r\n",
    sdp("192.0.2.1", 6000) + 40 * "m=audio 1 RTP/AVP 8\r\n",
    sdp("192.0.2.1", -1), sdp("192.0.2.1", 70000), sdp("%s%n%n", 1), "v=0" + 8000 * "x",
], ids=range(11))  # fmt: skip
def test_garbage_as_session_description(plane: Cluster, attacker: Agent, body: str) -> None:
    """It reaches rtpengine, which takes no harm; the call fails or goes on, as rtpengine says."""
    plane.ua(CALLEE)
    since = len(attacker.received)
    send(attacker, request(attacker, "INVITE", body=body))
    found = replies(attacker, since, 3)
    assert found
    if found[0].status == 200:
        hang_up(attacker, found[0])


def test_random_changes(plane: Cluster, attacker: Agent) -> None:
    """Two thousand mutations of good messages, the same in every run; memory stays as it was."""
    chosen = random.Random(4475)
    sbc = plane.nodes["sbc1"]
    plane.ua(CALLEE).answer = 486
    shared = _used(plane)
    for n in range(2000):
        data = bytearray(request(attacker, chosen.choice(["INVITE", "BYE", "OPTIONS", "ACK"])))
        for _ in range(chosen.randint(1, 6)):
            at = chosen.randrange(len(data))
            data[at : at + chosen.randint(0, 3)] = chosen.randbytes(chosen.randint(0, 3))
        send(attacker, bytes(data))
        if n % 50 == 0:
            forgive(plane)
            time.sleep(0.05)
    forgive(plane)
    assert len(processes(sbc)) > 5
    end = time.monotonic() + 20
    while _used(plane) > shared + 1_500_000:
        assert time.monotonic() < end, "memory does not come back"
        time.sleep(1)


def _used(plane: Cluster) -> int:
    text = plane.nodes["sbc1"].rpc("core.shmmem")
    return next(int(x.split(":")[1]) for x in text.splitlines() if "used:" in x and "real" not in x)


@pytest.mark.parametrize("head", [
    "", "Content-Length: 5\r\n", "Content-Length: 99999\r\n", "Content-Length: -1\r\n",
    "Content-Length: 4294967297\r\n", "Content-Length: x\r\n",
])  # fmt: skip
def test_stream_that_lies_about_its_length(plane: Cluster, attacker: Agent, head: str) -> None:
    """Whatever follows in the stream is no message that somebody else is blamed for."""
    sock = socket_in(plane.namespace_of(ATTACKER), socket.SOCK_STREAM, (ATTACKER, 0))
    sock.settimeout(1)
    sock.connect(SBC1)
    agent = plane.ua(ATTACKER, 5062)
    data = request(agent, "OPTIONS").replace(b"Content-Length: 0\r\n", head.encode())
    inner = request(agent, "INVITE", "X-C4-Destination: sip:x@y")
    with sock:
        sock.sendall(data + inner)
        time.sleep(0.2)
    for question in (r for stub in plane.confds for r in stub.requests):
        assert question["source_ip"] == ATTACKER


@pytest.mark.parametrize("contact", ["", "Contact: *\r\n", "Contact: <>\r\n", "Contact: x\r\n"])
def test_call_without_usable_contact_is_refused(
    plane: Cluster, attacker: Agent, contact: str
) -> None:
    """It would have no dialog, hence no record, on either tier."""
    since = len(attacker.received)
    data = request(attacker, "INVITE", body=sdp(ATTACKER, 6000)).decode()
    own = f"Contact: <sip:mallory@{ATTACKER}:5060>\r\n"
    assert own in data
    send(attacker, data.replace(own, contact).encode())
    assert [m.status for m in replies(attacker, since)] == [400]
    assert asked(plane) == 0
