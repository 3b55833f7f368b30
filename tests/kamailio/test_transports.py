"""Every kind of call over UDP, TCP and TLS, on either side."""

from __future__ import annotations

import hashlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from agent.consul import pki
from agent.kamailio.certificate import RELOAD
from agent.kamailio.kamcmd import RpcFailed
from common import paths, ports
from rendering.files import File
from settings import load
from testbed.sip.addresses import CALLEE, CALLEE2, CALLER
from testbed.sip.agent import Agent, Call, TcpAgent, sdp
from testbed.sip.netns import run
from testbed.sip.plane import Cluster, cluster, wait_until, with_sip
from testbed.sip.router_confd_stub import answer

pytestmark = pytest.mark.sip
TRANSPORTS = ["udp", "tcp", "tls"]
SBC1, SBC2 = "203.0.113.11", "203.0.113.12"
RINGING_S = 10
STRANGER_IDLE_S = 5
PORTS = {"udp": 5060, "tcp": 5062, "tls": 5061}  # of the callee

OPTIONS = (
    b"OPTIONS sip:203.0.113.11 SIP/2.0\r\nVia: SIP/2.0/TCP 198.51.100.68:5060;branch=z9hG4bK-o\r\n"
    b"From: <sip:o@198.51.100.68>;tag=o\r\nTo: <sip:203.0.113.11>\r\nCall-ID: o@198.51.100.68\r\n"
    b"CSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
)

matrix = pytest.mark.parametrize(
    ("near", "far"), [(near, far) for near in TRANSPORTS for far in TRANSPORTS]
)


@pytest.fixture(scope="module")
def plane(image_root: tuple[Path, ...]) -> Iterator[Cluster]:
    """A plane that trusts one authority, and lets calls ring for a short time only."""
    authority = pki.new_authority("carriers of the tests")
    deployment = with_sip(
        load("demo"),
        tls={"authorities": authority.certificate},
        timers={"ringing_timeout_s": RINGING_S},
        connections={"per_source": 16, "untrusted_idle_s": STRANGER_IDLE_S},
    )
    with cluster(image_root, deployment, authority=authority) as made:
        yield made


Endpoints = Callable[..., Agent]


def sbc(transport: str) -> tuple[str, int]:
    return SBC1, ports.SIPS.number if transport == "tls" else ports.SIP.number


def caller_by(plane: Cluster, transport: str, address: str = CALLER) -> Agent:
    if transport == "udp":
        return plane.ua(address)
    if transport == "tcp":
        return plane.tcp_ua(address, sbc("tcp"))
    return plane.tls_ua(address, sbc("tls"))


def callee_by(plane: Cluster, transport: str, address: str = CALLEE) -> Agent:
    """The callee, to which router-confd now sends every call."""
    port = PORTS[transport]
    uri = f"sip:{address}:{port}" + ("" if transport == "udp" else f";transport={transport}")
    for stub in plane.confds:
        stub.answer = answer(uri, uri=f"sip:100@{address}:{port}")
    if transport == "udp":
        return plane.ua(address, port)
    context = plane.server_context(address) if transport == "tls" else None
    return plane.server_ua(address, port, context)


def established(near: Agent, far: Agent, transport: str) -> tuple[Call, Call]:
    call = near.call(sbc(transport))
    result = call.invite()
    assert result.status == 200
    call.ack()
    other = far.calls[call.call_id]
    wait_until(lambda: other.state == "confirmed", what="ACK at the callee")
    return call, other


@matrix
def test_answered_call(plane: Cluster, near: str, far: str) -> None:
    caller, callee = caller_by(plane, near), callee_by(plane, far)
    call, other = established(caller, callee, near)
    assert call.bye().status == 200  # the caller hangs up
    assert other.state == "ended"
    call, other = established(caller, callee, near)
    assert other.bye().status == 200  # the callee hangs up
    assert [m.method for m in call.requests] == ["BYE"]


@matrix
def test_each_side_knows_the_sbc_by_its_own_transport(plane: Cluster, near: str, far: str) -> None:
    caller, callee = caller_by(plane, near), callee_by(plane, far)
    call, _ = established(caller, callee, near)
    call.bye()
    invite = callee.seen("INVITE", call.call_id)[0]
    own = {t: f"{SBC1}:{sbc(t)[1]}" + ("" if t == "udp" else f";transport={t}") for t in TRANSPORTS}
    assert invite.contact.endswith(own[far])
    assert invite.record_routes[0].startswith(f"<sip:{own[far]};r2=on")
    assert invite.get("Via").startswith(f"SIP/2.0/{far.upper()} {SBC1}:{sbc(far)[1]};")
    assert call.target.endswith(own[near])
    assert call.routes[0].startswith(f"<sip:{own[near]};r2=on")


@matrix
def test_hold_and_resume_by_either_side(plane: Cluster, near: str, far: str) -> None:
    caller, callee = caller_by(plane, near), callee_by(plane, far)
    call, other = established(caller, callee, near)
    for end in (call, other):
        for direction in ("sendonly", "sendrecv"):
            result = end.request("INVITE", body=sdp(end.agent.address[0], 6000, direction))
            assert result.status == 200
            end.ack()
        assert end.request("INFO").status == 200
    assert call.bye().status == 200


@matrix
def test_refused_call(plane: Cluster, near: str, far: str) -> None:
    caller, callee = caller_by(plane, near), callee_by(plane, far)
    callee.answer = 486
    call = caller.call(sbc(near))
    assert call.invite().status == 486
    assert callee.calls[call.call_id].status == 486


@matrix
def test_cancelled_call(plane: Cluster, near: str, far: str) -> None:
    caller, callee = caller_by(plane, near), callee_by(plane, far)
    callee.answer = 0
    call = caller.call(sbc(near))
    result = call.invite(cancel_after=0.4)
    assert result.status == 487
    assert callee.calls[call.call_id].status == 487


@pytest.mark.parametrize("far", ["udp", pytest.param("tcp", marks=pytest.mark.exhaustive), "tls"])
def test_unanswered_call(plane: Cluster, far: str) -> None:
    """Nobody picks up: the callee's phone stops, the caller hears of it."""
    callee = callee_by(plane, far)
    callee.answer = 0
    calls = [caller_by(plane, near).call(sbc(near)) for near in TRANSPORTS]
    with ThreadPoolExecutor() as pool:
        results = list(pool.map(lambda call: call.invite(timeout=RINGING_S + 6), calls))
    assert [r.status for r in results] == [408] * len(TRANSPORTS)
    assert all(RINGING_S - 1 < r.seconds < RINGING_S + 4 for r in results)
    for call in calls:
        wait_until(lambda c=call: callee.calls[c.call_id].status == 487, what="CANCEL")  # type: ignore[misc]


@pytest.mark.parametrize("user", ["+4930555100", "alice"], ids=["did", "domain"])
@pytest.mark.parametrize("near", TRANSPORTS)
def test_inbound_call_by_number_or_domain(plane: Cluster, near: str, user: str) -> None:
    """router-confd is asked about exactly what the caller dialled."""
    caller, callee = caller_by(plane, near), callee_by(plane, "udp")
    call = caller.call(sbc(near), user=user, domain="" if user[0] == "+" else "pbx.example")
    assert call.invite().status == 200
    call.ack()
    assert call.bye().status == 200
    asked = next(r for s in plane.confds for r in s.requests if r["call_id"] == call.call_id)
    where = f"{SBC1}:{sbc(near)[1]}" if user[0] == "+" else "pbx.example"
    suffix = "" if near == "udp" else f";transport={near}"
    assert asked["request_uri"] == f"sip:{user}@{where}{suffix}"
    assert asked["source_ip"] == CALLER
    assert callee.seen("INVITE", call.call_id)


@matrix
def test_outbound_call_with_digest(plane: Cluster, near: str, far: str) -> None:
    caller, callee = caller_by(plane, near), callee_by(plane, far)
    ha1 = hashlib.md5(f"alice:{CALLER}:secret".encode()).hexdigest()
    for stub in plane.confds:
        stub.answer["auth"] |= {"username": "alice", "domain": CALLER, "password_ha1": ha1}
    call = caller.call(sbc(near))
    challenge = call.invite().message
    assert challenge is not None
    assert challenge.status in (401, 407)
    result = call.invite(extra=call.digest(challenge, "alice", "secret"))
    assert result.status == 200
    call.ack()
    assert not callee.seen("INVITE", call.call_id)[0].get("Authorization")
    assert call.bye().status == 200


# --- TLS ---------------------------------------------------------------------------------------


def test_sips_is_taken_as_tls_on_this_hop(plane: Cluster) -> None:
    """What the SBC itself writes is `sip:` with transport=tls."""
    caller, callee = caller_by(plane, "tls"), callee_by(plane, "tls")
    call = caller.call(sbc("tls"))
    call.target, call.contact = f"sips:100@{SBC1}:{ports.SIPS.number}", f"<sips:ua@{CALLER}:5061>"
    assert call.invite().status == 200
    call.ack()
    other = callee.calls[call.call_id]
    wait_until(lambda: other.state == "confirmed")
    assert call.target.startswith("sip:")
    assert other.bye().status == 200
    assert [m.method for m in call.requests] == ["BYE"]


@pytest.mark.parametrize("transport", ["tcp", "tls"])
def test_pbx_behind_nat_is_reached_over_its_connection(plane: Cluster, transport: str) -> None:
    caller, callee = caller_by(plane, transport), callee_by(plane, "udp")
    call = caller.call(sbc(transport))
    call.contact = f"<sip:ua@192.168.1.20:5061;transport={transport}>"
    assert call.invite().status == 200
    call.ack()
    other = callee.calls[call.call_id]
    wait_until(lambda: other.state == "confirmed")
    assert other.request("INVITE", body=sdp(CALLEE, 7000, "sendonly")).status == 200
    other.ack()
    assert other.bye().status == 200
    assert {m.method for m in call.requests} == {"INVITE", "ACK", "BYE"}
    assert "192.168" not in callee.seen("INVITE", call.call_id)[0].get("Contact")


@pytest.mark.parametrize("transport", ["tcp", "tls"])
def test_pbx_that_reconnects_gets_the_rest_of_the_call(plane: Cluster, transport: str) -> None:
    caller, callee = caller_by(plane, transport), callee_by(plane, "udp")
    call, other = established(caller, callee, transport)
    caller.close()
    again = caller_by(plane, transport)
    call.agent, again.calls[call.call_id] = again, call
    assert call.request("INVITE", body=sdp(CALLER, 6000)).status == 200
    call.ack()
    assert other.bye().status == 200
    assert call.requests[-1].method == "BYE"


@pytest.mark.parametrize("transport", ["tcp", "tls"])
def test_call_goes_on_through_another_sbc(plane: Cluster, transport: str) -> None:
    """The SBC dies, and with it the connection; both ends turn to the other address."""
    caller, callee = caller_by(plane, transport), callee_by(plane, "udp")
    call, other = established(caller, callee, transport)
    heir = plane.nodes["sbc2"]
    wait_until(lambda: call.call_id in heir.rpc("dlg.list"), what="replica")
    wait_until(lambda: CALLER in heir.rpc("htable.dump", "trusted_sources"), what="who is known")
    plane.nodes["sbc1"].kill()
    caller.close()
    sbc2 = (SBC2, sbc(transport)[1])
    connect = plane.tls_ua if transport == "tls" else plane.tcp_ua
    again = connect(CALLER, sbc2)
    call.agent, call.peer, again.calls[call.call_id] = again, sbc2, call
    call.contact = f"<{again.contact}>"
    assert SBC1 in call.routes[0]
    assert call.request("INVITE", body=sdp(CALLER, 6000)).status == 200
    call.ack()
    assert call.target.endswith(f"{SBC2}:{sbc2[1]};transport={transport}")
    other.peer = (SBC2, ports.SIP.number)
    assert other.request("INFO").status == 200
    assert other.bye().status == 200
    assert call.requests[-1].method == "BYE"


def test_lost_connection_of_a_pbx_behind_nat_is_said_at_once(plane: Cluster) -> None:
    caller, callee = caller_by(plane, "tls"), callee_by(plane, "udp")
    call = caller.call(sbc("tls"))
    call.contact = "<sip:ua@192.168.1.20:5061;transport=tls>"
    assert call.invite().status == 200
    call.ack()
    other = callee.calls[call.call_id]
    wait_until(lambda: other.state == "confirmed")
    port, node = caller.address[1], plane.nodes["sbc1"]
    assert f"src_port: {port}" in node.rpc("tls.list")
    caller.close()
    wait_until(lambda: f"src_port: {port}" not in node.rpc("tls.list"), what="end of connection")
    result = other.request("INFO")
    assert result.status == 480
    assert result.own_s < 1


@pytest.mark.parametrize("far", ["udp", "tls"])
def test_callee_behind_nat_is_reached_where_it_answered_from(plane: Cluster, far: str) -> None:
    caller, callee = caller_by(plane, "udp"), callee_by(plane, far)
    callee.host = "192.168.1.30"
    call, _ = established(caller, callee, "udp")
    assert call.request("INVITE", body=sdp(CALLER, 6000)).status == 200
    call.ack()
    assert call.bye().status == 200
    assert {m.method for m in callee.received} == {"INVITE", "ACK", "BYE"}


def test_callee_that_does_not_say_so_stays_on_tls(plane: Cluster) -> None:
    """Its Contact names no transport; what began encrypted does not go on in clear."""
    caller, callee = caller_by(plane, "udp"), callee_by(plane, "tls")
    clear = plane.ua(CALLEE, PORTS["tls"])
    callee.parameters = ""
    call, _ = established(caller, callee, "udp")
    assert call.request("INFO").status == 200
    assert call.bye().status == 200
    assert not clear.received


def certificates(plane: Cluster) -> tuple[bytes, str]:
    """What a new connection to the SBC shows: certificate (DER) and protocol version."""
    probe = plane.tls_ua(CALLER, sbc("tls"))
    probe.close()
    return probe.certificate, probe.version


def test_new_certificate_without_restart(plane: Cluster) -> None:
    """Connections and calls of before go on; new ones get the new certificate."""
    caller, callee = plane.tls_ua(CALLER, sbc("tls")), callee_by(plane, "tls")
    call, other = established(caller, callee, "tls")
    node = plane.nodes["sbc1"]
    shown = {caller.certificate}
    for _ in range(3):
        node.install(plane.certificate_of(SBC1))
        assert "reloaded" in node.rpc(RELOAD)
        certificate, _version = certificates(plane)
        assert certificate not in shown
        shown.add(certificate)
        assert call.request("INVITE", body=sdp(CALLER, 6000)).status == 200
        call.ack()
        assert other.request("INFO").status == 200
    assert call.bye().status == 200
    assert not caller.connection.closed
    call, _ = established(plane.tls_ua(CALLER, sbc("tls")), callee, "tls")
    assert call.bye().status == 200


def test_bad_certificate_is_not_taken(plane: Cluster) -> None:
    node = plane.nodes["sbc1"]
    before, _ = certificates(plane)
    node.install([File(str(paths.TLS_CERTIFICATE), "damaged")])
    with pytest.raises(RpcFailed):
        node.rpc(RELOAD)
    assert certificates(plane)[0] == before
    node.install(plane.certificate_of(SBC1))
    assert "reloaded" in node.rpc(RELOAD)


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
def test_old_protocols_and_weak_ciphers_are_refused(plane: Cluster) -> None:
    assert certificates(plane)[1] == "TLSv1.3"
    context = plane.trust()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    plane.tls_ua(CALLER, sbc("tls"), context).close()
    for weak in ("AES256-GCM-SHA384", "ECDHE-ECDSA-AES128-SHA"):  # no secrecy later; CBC
        context = plane.trust()
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(weak)
        with pytest.raises((ssl.SSLError, ConnectionError)):
            plane.tls_ua(CALLER, sbc("tls"), context)
    context = plane.trust()
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises((ssl.SSLError, ConnectionError)):
        plane.tls_ua(CALLER, sbc("tls"), context)


def test_far_end_without_a_trusted_certificate_gets_no_call(plane: Cluster) -> None:
    """The next route is tried instead."""
    caller, second = caller_by(plane, "udp"), plane.ua(CALLEE2)
    impostor = plane.server_ua(
        CALLEE, 5061, plane.server_context(CALLEE, pki.new_authority("unknown"))
    )
    for stub in plane.confds:
        stub.answer = answer(f"sip:{CALLEE}:5061;transport=tls", f"sip:{CALLEE2}:5060")
    call = caller.call(sbc("udp"))
    result = call.invite(timeout=12)
    assert result.status == 200
    assert result.own_s < plane.tenant.sip.timers.callee_timeout_ms / 1000 + 2
    call.ack()
    assert call.bye().status == 200
    assert second.seen("INVITE", call.call_id)
    assert impostor.failed
    assert not impostor.received


@pytest.mark.parametrize("transport", ["tcp", "tls"])
def test_far_end_that_does_not_listen_is_passed_by(plane: Cluster, transport: str) -> None:
    caller, second = caller_by(plane, "udp"), plane.ua(CALLEE2)
    plane.ua(CALLEE, 5999)  # the host is up, the port closed
    for stub in plane.confds:
        stub.answer = answer(f"sip:{CALLEE}:5063;transport={transport}", f"sip:{CALLEE2}:5060")
    call = caller.call(sbc("udp"))
    result = call.invite(timeout=12)
    assert result.status == 200
    call.ack()
    assert call.bye().status == 200
    assert second.seen("INVITE", call.call_id)


def test_one_source_cannot_take_all_connections(plane: Cluster) -> None:
    limit = plane.tenant.sip.connections.per_source
    hoarder = "198.51.100.67"
    sockets = [plane.connection(hoarder, sbc("tcp")) for _ in range(limit + 8)]
    try:
        wait_until(lambda: sum(closed(s) for s in sockets) == 8, 3, "refused connections")
        caller, callee = caller_by(plane, "tcp"), callee_by(plane, "udp")
        call, _ = established(caller, callee, "tcp")
        assert call.bye().status == 200
    finally:
        for sock in sockets:
            sock.close()


def test_busy_connection_is_no_flood_of_packets(plane: Cluster) -> None:
    """The kernel's limits of untrusted sources, far lower, are for UDP."""
    address, nft = "198.51.100.70", ["ip", "netns", "exec", plane.nodes["sbc1"].namespace, "nft"]
    sock = plane.connection(address, sbc("tcp"))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    padding = b"X-Padding: " + b"x" * 8 * plane.tenant.sip.edge.untrusted_packets_per_s
    for octet in OPTIONS.replace(b"CSeq", padding + b"\r\nCSeq"):
        sock.send(bytes([octet]))
    assert sock.recv(4096).startswith(b"SIP/2.0 200")
    assert address not in run([*nft, "list", "set", "ip", "c4_edge", "flooding"])
    sock.close()


def test_half_a_message_does_not_keep_a_connection(plane: Cluster) -> None:
    sock = plane.connection(CALLER, sbc("tcp"))
    sock.sendall(b"OPTIONS sip:100@203.0.113.11 SIP/2.0\r\nVia: ")
    wait_until(lambda: closed(sock), 30, "slow connection stays")
    sock.close()


def test_connection_of_an_untrusted_source_does_not_stay(plane: Cluster) -> None:
    """All of them wait at the same time: silent ones, and those that sent one request."""

    def stays_s(transport: str, data: bytes) -> float:
        sock = plane.connection("198.51.100.68", sbc(transport))
        if transport == "tls" and data:
            sock = plane.trust().wrap_socket(sock, server_hostname=SBC1)
        with sock:
            sock.sendall(data)
            if data:
                assert sock.recv(4096).startswith(b"SIP/2.0 200")
            return wait_until(lambda: closed(sock), 30, "connection stays")

    plane.ua("198.51.100.68")  # makes the host
    with ThreadPoolExecutor() as pool:
        silent = [pool.submit(stays_s, transport, b"") for transport in ("tcp", "tls")]
        heard = [pool.submit(stays_s, transport, OPTIONS) for transport in ("tcp", "tls")]
    assert min(stay.result() for stay in silent) > 1
    assert min(stay.result() for stay in heard) > 4


def test_connection_of_a_call_stays(plane: Cluster) -> None:
    """From the first ringing on, though the caller was untrusted and says nothing."""
    callers = {by: caller_by(plane, by, "198.51.100.69") for by in ("tcp", "tls")}
    callee = callee_by(plane, "udp")
    callee.ring_s = RINGING_S - 1.0

    def talk(transport: str) -> None:
        call = callers[transport].call(sbc(transport))
        call.contact = f"<sip:ua@192.168.1.20:5061;transport={transport}>"
        assert call.invite(timeout=12).status == 200
        call.ack()
        other = callee.calls[call.call_id]
        wait_until(lambda: other.state == "confirmed")
        time.sleep(3 * STRANGER_IDLE_S)
        assert other.bye().status == 200

    with ThreadPoolExecutor() as pool:
        for done in [pool.submit(talk, transport) for transport in callers]:
            done.result()
    for caller in callers.values():
        assert isinstance(caller, TcpAgent)
        assert not caller.connection.closed


def test_certificates_change_while_clients_come_and_calls_run(plane: Cluster) -> None:
    """Kamailio's documentation warns of reloads under load: nothing may fail, nothing may crash."""
    node, callee = plane.nodes["sbc1"], callee_by(plane, "tls")
    process, stop = node.process, threading.Event()
    addresses = [f"198.51.100.{80 + number}" for number in range(3)]
    for address in addresses:
        plane.ua(address)  # makes the host

    def come_and_go(address: str) -> int:
        calls = 0
        while not stop.is_set():
            agent = caller_by(plane, "tls", address)
            call, _ = established(agent, callee, "tls")
            assert call.bye().status == 200
            agent.close()
            calls += 1
        return calls

    with ThreadPoolExecutor() as pool:
        clients = [pool.submit(come_and_go, address) for address in addresses]
        try:
            for _ in range(20):
                node.install(plane.certificate_of(SBC1))
                assert "reloaded" in node.rpc(RELOAD)
                time.sleep(0.2)
        finally:
            stop.set()
        assert all(client.result(20) > 5 for client in clients)
    assert process is not None
    assert node.process is process
    assert process.poll() is None
    assert node.logged("BUG") == node.logged("signal 11") == 0


def closed(sock: socket.socket) -> bool:
    sock.settimeout(0.01)
    try:
        return sock.recv(1) == b""
    except TimeoutError:
        return False
    except OSError:
        return True
