"""What tests of attacks share: raw messages, signs of health, and calls that end well."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from testbed.sip.agent import Agent, Message
from testbed.sip.node import Node
from testbed.sip.plane import Cluster
from tests.kamailio.test_calls import SBC1, established

ATTACKER = "198.51.100.66"
VICTIM = "198.51.100.99"


def processes(node: Node) -> frozenset[int]:
    """Ids of all processes of a node; one that died and was started again has another."""
    assert node.process is not None
    found = set()
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:  # ended meanwhile
            continue
        if int(fields[3]) == node.process.pid:
            found.add(int(path.parent.name))
    return frozenset(found)


def everybody(plane: Cluster) -> dict[str, frozenset[int]]:
    return {name: processes(node) for name, node in plane.nodes.items()}


# What an SBC remembers of sources: bans, counts of untrusted ones, and whom it trusts.
SOURCE_TABLES = (
    "ban", "untrusted_requests", "trusted_sources", "login_failures", "untrusted_calls",
)  # fmt: skip


def forgive(plane: Cluster) -> None:
    """Undo what the SBCs remember of sources."""
    for sbc in plane.tier("sbc"):
        for table in SOURCE_TABLES:
            sbc.rpc("htable.flush", table)


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
    end = time.monotonic() + seconds
    while True:
        found = [
            m for m in agent.received[since:]
            if m.is_reply and m.status >= 200 and (wanted is None or wanted(m))
        ]  # fmt: skip
        if found or time.monotonic() > end:
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


def call_works(caller: Agent, callee: Agent, via: tuple[str, int] = SBC1) -> None:
    """A whole call, with audio described, from INVITE to BYE."""
    call, _ = established(caller, callee, via)
    assert call.bye().status == 200
