"""SIP messages that are written by hand, octet by octet, and the replies to them."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable

from testbed.busy import Stopwatch
from testbed.sip.addresses import SBC1
from testbed.sip.agent import Agent, Message

_number = itertools.count(1)


def raw(agent: Agent, method: str, *lines: str, uri: str = f"sip:100@{SBC1[0]}") -> str:
    address, port = agent.address
    token = f"{time.monotonic_ns():x}"
    return "\r\n".join([
        f"{method} {uri} SIP/2.0", f"Via: SIP/2.0/UDP {address}:{port};branch=z9hG4bK{token};rport",
        f"From: <sip:mallory@{address}>;tag={token}", f"To: <{uri}>", f"Call-ID: {token}",
        f"CSeq: 1 {method}", "Max-Forwards: 70", f"Contact: <sip:mallory@{address}:{port}>",
        *lines, "Content-Length: 0", "", "",
    ])  # fmt: skip


def ask(agent: Agent, *texts: str, to: tuple[str, int] = SBC1, seconds: float = 0.5) -> list[int]:
    """Statuses of the replies to these that arrive within the time."""
    for text in texts:
        agent.send(text, to)
    time.sleep(seconds)
    asked = "".join(texts)
    return [m.status for m in agent.received if m.is_reply and f"Call-ID: {m.call_id}\r" in asked]


def request(
    agent: Agent, method: str, *lines: str, uri: str = f"sip:100@{SBC1[0]}", to_tag: str = "",
    via: str = "", call_id: str = "", from_tag: str = "m1", body: str = "",
) -> bytes:  # fmt: skip
    """A request whose every header can be forged."""
    address, port = agent.address
    token = f"{time.monotonic_ns():x}{next(_number)}"
    via = via or f"SIP/2.0/{agent.transport} {address}:{port};branch=z9hG4bK{token}"
    to = f"<{uri}>" + (f";tag={to_tag}" if to_tag else "")
    kind = ["Content-Type: application/sdp"] if body else []
    return "\r\n".join([
        f"{method} {uri} SIP/2.0", f"Via: {via}", f"From: <sip:mallory@{address}>;tag={from_tag}",
        f"To: {to}", f"Call-ID: {call_id or token}", f"CSeq: 1 {method}", "Max-Forwards: 70",
        f"Contact: <sip:mallory@{address}:{port}>", *lines, *kind, f"Content-Length: {len(body)}",
        "", body,
    ]).encode()  # fmt: skip


def send(agent: Agent, data: bytes, to: tuple[str, int] = SBC1) -> None:
    """Exact octets, over whatever transport the agent has."""
    if agent.transport == "UDP":
        agent.sock.sendto(data, to)
    else:
        agent.sock.sendall(data)


def replies(
    agent: Agent, since: int, seconds: float = 1.0, wanted: Callable[[Message], bool] | None = None
) -> list[Message]:
    """Final replies since the agent had received `since` messages; returns with the first."""
    watch, end = Stopwatch(), time.monotonic() + seconds
    while True:
        found = [
            m for m in agent.received[since:]
            if m.is_reply and m.status >= 200 and (wanted is None or wanted(m))
        ]  # fmt: skip
        if found or not watch.before(end):
            return found
        time.sleep(0.01)


def follow(answer: Message, method: str, agent: Agent, cseq: int) -> bytes:
    """ACK or BYE to an answer whose request was sent as raw octets."""
    address, port = agent.address
    routes = "".join(f"Route: {r}\r\n" for r in reversed(answer.record_routes))
    return (
        f"{method} {answer.contact} SIP/2.0\r\n"
        f"Via: SIP/2.0/{agent.transport} {address}:{port};branch=z9hG4bK{time.monotonic_ns():x}\r\n"
        f"From: {answer.get('From')}\r\nTo: {answer.get('To')}\r\nCall-ID: {answer.call_id}\r\n"
        f"CSeq: {cseq} {method}\r\nMax-Forwards: 70\r\n{routes}Content-Length: 0\r\n\r\n"
    ).encode()


def hang_up(agent: Agent, answer: Message, to: tuple[str, int] = SBC1) -> None:
    """ACK and BYE of a call that raw octets set up; the BYE is answered."""
    send(agent, follow(answer, "ACK", agent, answer.cseq), to)
    since = len(agent.received)
    send(agent, follow(answer, "BYE", agent, answer.cseq + 1), to)
    (bye,) = replies(agent, since, 3, lambda m: m.method == "BYE")[:1]
    assert bye.status == 200
