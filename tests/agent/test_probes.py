"""Do the health checks ask the service, and believe only a good answer?"""

from __future__ import annotations

import http.client
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from agent.checks import probes
from agent.checks.health import HealthServer
from agent.checks.probes import ProbeFailed
from testbed.busy import Stopwatch

Reply = Callable[[bytes], bytes | None]


@contextmanager
def udp_service(reply: Reply) -> Iterator[int]:
    """A UDP service on loopback that answers as `reply` says; yields its port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(0.05)
        stop = threading.Event()

        def serve() -> None:
            while not stop.is_set():
                try:
                    message, source = sock.recvfrom(65_535)
                except TimeoutError:
                    continue
                answer = reply(message)
                if answer is not None:
                    sock.sendto(answer, source)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield sock.getsockname()[1]
        finally:
            stop.set()
            thread.join()


def sip_reply(request: bytes, status: str) -> bytes:
    """A reply with the headers that RFC 3261 copies from the request."""
    copied = [
        line
        for line in request.decode().split("\r\n")
        if line.split(":")[0] in {"Via", "From", "To", "Call-ID", "CSeq"}
    ]
    return "\r\n".join([f"SIP/2.0 {status}", *copied, "Content-Length: 0", "", ""]).encode()


def test_a_sip_service_that_answers_is_healthy() -> None:
    with udp_service(lambda request: sip_reply(request, "200 OK")) as port:
        assert probes.sip_options("127.0.0.1", port) == "SIP/2.0 200 OK"


@pytest.mark.parametrize("status", ["503 Service Unavailable", "404 Not Found"])
def test_a_sip_service_that_refuses_is_not_healthy(status: str) -> None:
    with (
        udp_service(lambda request: sip_reply(request, status)) as port,
        pytest.raises(ProbeFailed, match=status),
    ):
        probes.sip_options("127.0.0.1", port)


def test_a_stopped_service_is_noticed_at_once() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    watch = Stopwatch()
    with pytest.raises(ProbeFailed, match="refused"):
        probes.sip_options("127.0.0.1", port)
    assert watch.own_s() < 0.2


def test_a_hanging_service_is_noticed_before_consul_gives_up() -> None:
    watch = Stopwatch()
    with udp_service(lambda _: None) as port, pytest.raises(ProbeFailed, match="no answer within"):
        probes.sip_options("127.0.0.1", port)
    assert watch.own_s() < 1.0


def test_one_lost_datagram_is_not_a_failure() -> None:
    seen: list[bytes] = []

    def forget_first(request: bytes) -> bytes | None:
        seen.append(request)
        return sip_reply(request, "200 OK") if len(seen) > 1 else None

    with udp_service(forget_first) as port:
        assert probes.sip_options("127.0.0.1", port).endswith("200 OK")
    assert seen[0] == seen[1]  # a retransmission, not a new request


def test_an_answer_to_another_request_is_no_answer() -> None:
    stale = b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bKother\r\n\r\n"
    with udp_service(lambda _: stale) as port, pytest.raises(ProbeFailed, match="no answer"):
        probes.sip_options("127.0.0.1", port, timeout=0.2)


def _ng_reply(result: str) -> Reply:
    def reply(request: bytes) -> bytes:
        cookie, body = request.split(b" ", 1)
        assert json.loads(body) == {"command": "ping"}
        return cookie + b" " + json.dumps({"result": result}).encode()

    return reply


def test_an_rtpengine_that_says_pong_is_healthy() -> None:
    with udp_service(_ng_reply("pong")) as port:
        assert probes.ng_ping("127.0.0.1", port) == "pong"


@pytest.mark.parametrize("reply", [_ng_reply("load limit"), lambda r: r.split(b" ")[0] + b" ?"])
def test_an_rtpengine_that_says_something_else_is_not_healthy(reply: Reply) -> None:
    with udp_service(reply) as port, pytest.raises(ProbeFailed, match="answers"):
        probes.ng_ping("127.0.0.1", port)


@pytest.fixture
def endpoint() -> Iterator[int]:
    def ill() -> str:
        raise ProbeFailed("no answer within 0.9 s")

    server = HealthServer(0, {"/health/sip": lambda: "SIP/2.0 200 OK", "/health/ng": ill})
    server.start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("path", "status", "text"),
    [
        ("/health/sip", 200, "SIP/2.0 200 OK"),
        ("/health/ng", 503, "no answer within 0.9 s"),
        ("/health/nothing", 404, "no such path; the paths are /health/sip, /health/ng"),
    ],
)
def test_the_endpoint_says_what_the_probe_says(
    endpoint: int, path: str, status: int, text: str
) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", endpoint, timeout=2)
    connection.request("GET", path)
    response = connection.getresponse()
    assert (response.status, response.read().decode().strip()) == (status, text)


def test_http_status_is_what_the_service_answers(endpoint: int) -> None:
    assert probes.http_status("127.0.0.1", endpoint, "/health/sip") == "status 200"
    with pytest.raises(ProbeFailed, match="status 503"):
        probes.http_status("127.0.0.1", endpoint, "/health/ng")
