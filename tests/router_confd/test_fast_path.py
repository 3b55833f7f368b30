"""The fast path answers plain requests; the application gets all others, and gets them whole."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import pytest
import uvicorn
from fastapi.responses import PlainTextResponse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from router_confd.config import Listen
from router_confd.http import uvicorn_adapter
from router_confd.http.errors import MAX_BODY
from router_confd.http.fast_path import Reply
from testbed.busy import Stopwatch
from testbed.router_confd.instance import eventually, free_port

PATH = "/1.0/kamailio/cdr"
SLOW_S = 0.2


class Answer(NamedTuple):
    status: int
    body: bytes
    headers: dict[str, str]


async def _behind(scope: dict[str, Any], receive: Callable[..., Any], send: Any) -> None:
    """The application: 418, and the body that it got."""
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    length = str(len(body)).encode()
    await send({"type": "http.response.start", "status": 418,
                "headers": [(b"content-length", length)]})  # fmt: skip
    await send({"type": "http.response.body", "body": body})


async def _later(body: bytes) -> Reply:
    await asyncio.sleep(SLOW_S)
    if body == b"slow broken":
        raise RuntimeError(body)
    if body == b"slow no":
        return PlainTextResponse("no", 503, {"Retry-After": "1"})
    return body.upper()


def _upper(body: bytes) -> Any:
    if body == b"broken":
        raise RuntimeError(body)
    if body.startswith(b"slow"):
        return _later(body)
    return None if body.startswith(b"bad") else body.upper()


@contextmanager
def serving() -> Iterator[tuple[int, uvicorn.Server]]:
    port = free_port()
    made = uvicorn_adapter.listener(_behind, Listen("127.0.0.1", port), {PATH: _upper})  # type: ignore[arg-type]
    thread = threading.Thread(target=made.run)
    thread.start()
    try:
        eventually(lambda: made.started)
        yield port, made
    finally:
        made.should_exit = True
        thread.join(20)


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with serving() as (number, _):
        yield number


class Client:
    """One connection."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._file = self._socket.makefile("rb")

    def send(self, *parts: bytes) -> None:
        for i, part in enumerate(parts):
            if i:
                time.sleep(0.003)  # so that it is a segment of its own
            self._socket.sendall(part)

    def answer(self) -> Answer:
        status = self._file.readline().split(b" ")
        headers = {}
        while line := self._file.readline().strip().decode().lower():
            name, _, value = line.partition(": ")
            headers[name] = value
        assert "date" in headers and "server" not in headers
        return Answer(int(status[1]), self._file.read(int(headers["content-length"])), headers)

    @property
    def closed(self) -> bool:
        return self._file.read(1) == b""

    def close(self) -> None:
        self._file.close()
        self._socket.close()


@pytest.fixture
def client(port: int) -> Iterator[Client]:
    made = Client(port)
    yield made
    made.close()


def request(
    body: bytes, *more: str, method: str = "POST", path: str = PATH, version: str = "1.1",
    json: str = "Content-Type: application/json", length: str | None = "",
) -> bytes:  # fmt: skip
    """As libcurl sends it, or not quite."""
    size = [f"Content-Length: {length or len(body)}"] if length is not None else []
    lines = [f"{method} {path} HTTP/{version}", "Host: 127.0.0.1:9600", "Accept: */*", json,
             *size, *more]  # fmt: skip
    return "\r\n".join(line for line in lines if line).encode() + b"\r\n\r\n" + body


def test_a_request_is_answered_at_once(client: Client) -> None:
    for body in (b"hello", b"again", b"x" * MAX_BODY):
        client.send(request(body))
        answer = client.answer()
        assert (answer.status, answer.body) == (200, body.upper())
        assert answer.headers["content-type"] == "application/json"


def test_what_kamailio_sends_takes_it(client: Client) -> None:
    """Word for word what its libcurl sent, in one segment, over a connection that it kept."""
    for body in (b'{"event": "sip-cdr"}', b"slow"):
        client.send(
            f"POST {PATH} HTTP/1.1\r\nHost: 10.40.65.42:9600\r\nAccept: */*\r\nContent-Type:"
            f" application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
        assert client.answer()[:2] == (200, body.upper())


def test_what_it_has_no_answer_to_reaches_the_application_whole(client: Client) -> None:
    client.send(request(b"bad thing"), request(b"bad")[:-2])
    assert client.answer()[:2] == (418, b"bad thing")
    client.send(b"ad")
    assert client.answer()[:2] == (418, b"bad")
    client.send(request(b"hello"))
    assert client.answer()[:2] == (200, b"HELLO")


@pytest.mark.parametrize(
    "sent",
    [
        request(b"x", path="/status"),
        request(b"x", path=PATH + "/"),
        request(b"x", path=PATH + "?a=b"),
        request(b"x", method="PUT"),
        request(b"x", json=""),
        request(b"x", json="Content-Type: text/plain"),
        request(b"x", json="Content-Type: application/json; charset=utf-8"),
        request(b"x", "X-Forwarded-For: 10.0.0.1"),
        request(b"x", "Connection: keep-alive"),
        request(b"1\r\nx\r\n0\r\n\r\n", "Transfer-Encoding: chunked", length=None),
    ],
    ids=["path", "slash", "query", "method", "no type", "type", "charset", "header", "connection",
         "chunked"],
)  # fmt: skip
def test_other_requests_go_the_usual_way(client: Client, sent: bytes) -> None:
    for _ in range(2):
        client.send(sent)
        assert client.answer()[:2] == (418, b"x")
    client.send(request(b"hello"))
    assert client.answer()[:2] == (200, b"HELLO")


def test_too_large_a_body_goes_the_usual_way(client: Client) -> None:
    body = b"x" * (MAX_BODY + 1)
    client.send(request(body))
    assert client.answer()[:2] == (418, body)


@pytest.mark.parametrize(
    "sent",
    [
        request(b"x", "Connection: close"),
        request(b"x", version="1.0"),
        request(b"x", "Content-Length: 2"),
        request(b"x", "Transfer-Encoding: chunked"),
        request(b"x", "Bad\nHeader: 1"),
        request(b"x", length="1x"),
        b"nonsense\r\n\r\n",
    ],
    ids=["close", "1.0", "two lengths", "length and chunked", "line feed", "length", "nonsense"],
)
def test_what_ends_the_connection_ends_it(client: Client, sent: bytes) -> None:
    """Never answered by the fast path: two readers might not agree what the body is."""
    client.send(sent)
    assert client.answer().status in (418, 400)
    assert client.closed


def test_a_later_answer(client: Client, port: int) -> None:
    other = Client(port)
    client.send(request(b"slow one"))
    watch = Stopwatch()
    other.send(request(b"meanwhile"))
    assert other.answer().body == b"MEANWHILE"
    assert watch.own_s() < SLOW_S
    assert client.answer()[:2] == (200, b"SLOW ONE")
    other.close()


def test_a_later_answer_of_another_kind(client: Client) -> None:
    client.send(request(b"slow no"))
    answer = client.answer()
    assert (answer.status, answer.body, answer.headers["retry-after"]) == (503, b"no", "1")
    client.send(request(b"slow broken"))
    assert client.answer()[:2] == (500, b"Internal Server Error")
    client.send(request(b"hello"))
    assert client.answer()[:2] == (200, b"HELLO")


def test_an_unexpected_error_is_answered_once(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    """The application does not get the request after the handler: it would answer with 418."""
    client.send(request(b"broken"))
    assert client.answer()[:2] == (500, b"Internal Server Error")
    (record,) = [record for record in caplog.records if record.exc_info]
    assert record.message == "a request on the fast path failed"
    client.send(request(b"hello"))
    assert client.answer()[:2] == (200, b"HELLO")


# Request, its body, and whether the fast path may answer it: it leaves a cut head to the parser.
KINDS: list[tuple[bytes, bytes, bool]] = [
    (request(b"hello"), b"hello", True),
    (request(b"slow"), b"slow", True),
    (request(b""), b"", True),
    (request(b"bad"), b"bad", False),
    (request(b"put", method="PUT"), b"put", False),
    (request(b"1\r\nx\r\n2\r\nyz\r\n0\r\n\r\n", "Transfer-Encoding: chunked", length=None),
     b"xyz", False),
]  # fmt: skip


@settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.sampled_from(KINDS), min_size=1, max_size=4), st.data())
def test_however_requests_are_cut_each_has_its_answer_in_order(
    port: int, requests: list[tuple[bytes, bytes, bool]], data: Any
) -> None:
    """Several at once, too, cut anywhere."""
    stream = b"".join(sent for sent, _, _ in requests)
    cuts = sorted(data.draw(st.sets(st.integers(1, len(stream) - 1), max_size=6)))
    client = Client(port)
    edges = zip([0, *cuts], [*cuts, len(stream)], strict=True)
    client.send(*(stream[a:b] for a, b in edges))
    for _, body, plain in requests:
        found = client.answer()[:2]
        assert found == (418, body) or (plain and found == (200, body.upper()))
    client.close()


def test_an_answer_under_way_is_given_before_the_server_ends() -> None:
    with serving() as (number, made):
        busy, idle = Client(number), Client(number)
        idle.send(request(b"hello"))
        assert idle.answer().status == 200
        busy.send(request(b"slow"))
        time.sleep(SLOW_S / 4)
        made.should_exit = True
        assert idle.closed
        assert busy.answer()[:2] == (200, b"SLOW")
        assert busy.closed


@pytest.mark.slow
def test_idle_connections_are_closed_and_used_ones_are_not(monkeypatch: Any) -> None:
    monkeypatch.setattr(uvicorn_adapter, "KEEP_ALIVE", 2)
    with serving() as (number, _):
        used, idle = Client(number), Client(number)
        for client in (used, idle):
            client.send(request(b"hello"))
            assert client.answer().status == 200
        for _ in range(12):
            time.sleep(0.25)
            used.send(request(b"hello"))
            assert used.answer().status == 200
        assert idle.closed
        started = time.monotonic()
        assert used.closed
        assert time.monotonic() - started > 0.5
