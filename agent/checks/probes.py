"""Probes that send a service a real request: SIP OPTIONS, an NG ping, or HTTP."""

from __future__ import annotations

import http.client
import json
import secrets
import socket
import time
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")
# A hanging service leaves the lists within 2 s: Consul's interval of 1 s, and then this time.
TIMEOUT_S = 0.8
RETRANSMIT_S = 0.35
MAX_DATAGRAM = 65_535


class ProbeFailed(Exception):
    """The service did not answer, or gave a wrong answer; the message says which."""


def sip_options(address: str, port: int, timeout: float = TIMEOUT_S) -> str:
    """Send `OPTIONS` over UDP and return the status line. Any answer but 200 is a failure."""
    token = secrets.token_hex(8)

    def request(local: tuple[str, int]) -> bytes:
        host = f"{local[0]}:{local[1]}"
        lines = (
            f"OPTIONS sip:health@{address}:{port} SIP/2.0",
            f"Via: SIP/2.0/UDP {host};branch=z9hG4bK{token};rport",
            "Max-Forwards: 1",
            f"From: <sip:c4-agent@{host}>;tag={token}",
            f"To: <sip:health@{address}:{port}>",
            f"Call-ID: {token}@{local[0]}",
            "CSeq: 1 OPTIONS",
            f"Contact: <sip:c4-agent@{host}>",
            "User-Agent: c4-agent",
            "Content-Length: 0",
            "",
            "",
        )
        return "\r\n".join(lines).encode("ascii")

    def status(answer: bytes) -> str | None:
        head = answer.split(b"\r\n\r\n", 1)[0].decode("utf-8", "replace")
        if not head.startswith("SIP/2.0 ") or token not in head:
            return None  # the answer to another request
        line = head.split("\r\n", 1)[0]
        if line.startswith("SIP/2.0 1"):
            return None  # a provisional answer
        if not line.startswith("SIP/2.0 200"):
            raise ProbeFailed(f"answers {line!r}")
        return line

    return _ask(address, port, request, status, timeout)


def ng(address: str, port: int, command: dict[str, Any], timeout: float = TIMEOUT_S) -> Any:
    """Send one command of rtpengine's NG protocol (as JSON) and return the decoded answer."""
    cookie = secrets.token_hex(8).encode("ascii")

    def request(_: tuple[str, int]) -> bytes:
        return cookie + b" " + json.dumps(command).encode()

    def decode(answer: bytes) -> Any:
        got, _, body = answer.partition(b" ")
        if got != cookie:
            return None
        try:
            return json.loads(body)
        except ValueError:
            raise ProbeFailed("answers with something that is not JSON") from None

    return _ask(address, port, request, decode, timeout)


def ng_ping(address: str, port: int, timeout: float = TIMEOUT_S) -> str:
    """Send rtpengine a ping; any answer but `pong` is a failure."""
    answer = ng(address, port, {"command": "ping"}, timeout)
    result = answer.get("result") if isinstance(answer, dict) else None
    if result != "pong":
        raise ProbeFailed(f"answers {result!r} to a ping")
    return "pong"


def http_status(address: str, port: int, path: str, timeout: float = TIMEOUT_S) -> str:
    """Request `path` over HTTP; any status but 2xx is a failure."""
    status, _ = _get(address, port, path, timeout)
    return f"status {status}"


def metric(
    address: str, port: int, path: str, name: str, timeout: float = TIMEOUT_S
) -> float | None:
    """The value of a Prometheus metric without labels; None when the page does not have it."""
    _, page = _get(address, port, path, timeout)
    for line in page.decode("utf-8", "replace").splitlines():
        key, _, value = line.partition(" ")
        if key == name:
            try:
                return float(value)
            except ValueError:
                raise ProbeFailed(f"{name} is {value!r}, which is no number") from None
    return None


def _get(address: str, port: int, path: str, timeout: float) -> tuple[int, bytes]:
    """Status and body of an answer. Raises `ProbeFailed` for any status but 2xx."""
    connection = http.client.HTTPConnection(address, port, timeout=timeout)
    try:
        connection.request("GET", path, headers={"User-Agent": "c4-agent"})
        response = connection.getresponse()
        body = response.read()
    except (OSError, http.client.HTTPException) as error:
        raise ProbeFailed(f"no answer: {error}") from None
    finally:
        connection.close()
    if not 200 <= response.status < 300:
        raise ProbeFailed(f"answers with status {response.status}")
    return response.status, body


def _ask(
    address: str,
    port: int,
    request: Callable[[tuple[str, int]], bytes],
    parse: Callable[[bytes], T | None],
    timeout: float,
) -> T:
    """Send a datagram, and again every `RETRANSMIT_S`, until `parse` accepts an answer.

    The socket is connected, so that a closed port is noticed at once. Raises `ProbeFailed`.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.connect((address, port))
            message = request(sock.getsockname())
            end = time.monotonic() + timeout
            next_send = 0.0
            while (now := time.monotonic()) < end:
                if now >= next_send:
                    sock.send(message)
                    next_send = now + RETRANSMIT_S
                sock.settimeout(max(0.001, min(end, next_send) - now))
                try:
                    result = parse(sock.recv(MAX_DATAGRAM))
                except TimeoutError:
                    continue
                if result is not None:
                    return result
        except OSError as error:
            raise ProbeFailed(f"no answer: {error.strerror or error}") from None
    raise ProbeFailed(f"no answer within {timeout:g} s")
