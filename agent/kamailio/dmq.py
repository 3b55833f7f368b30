"""Tell Kamailio's DMQ who its peers are, while it runs.

DMQ has no command to add a peer, and reads its configured address only while it is alone. But it
accepts a notification, the message by which its peers announce each other: we send it one.
"""

from __future__ import annotations

import json
import re
import secrets
import socket
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from agent.kamailio.dialog_state import State
from agent.kamailio.kamcmd import RpcFailed

TIMEOUT_S = 1.0
FRESH_S = 60
_OK = "SIP/2.0 200"
_REMOVE = 3  # DLG_DMQ_RM of Kamailio's dialog module
_NODE = re.compile(r"host: (\S+)\s+port: (\d+).*?status: (\w+).*?local: (\d)", re.DOTALL)


class Node(NamedTuple):
    """A member of the bus, as Kamailio lists it."""

    host: str
    port: int
    active: bool
    local: bool

    @property
    def uri(self) -> str:
        return f"sip:{self.host}:{self.port}"


def nodes(rpc: Callable[..., str]) -> list[Node]:
    """Members that Kamailio knows, itself included. Raises `RpcFailed`."""
    reply = rpc("dmq.list_nodes")
    return [
        Node(host, int(port), status == "active", local == "1")
        for host, port, status, local in _NODE.findall(reply)
    ]


def own_node(known: Iterable[Node]) -> Node:
    """The node itself, of those that it knows. Raises `RpcFailed`."""
    own = next((node for node in known if node.local), None)
    if own is None:
        raise RpcFailed("DMQ does not list its own node")
    return own


def set_peers(uris: Sequence[str], rpc: Callable[..., str]) -> str:
    """Make `uris` Kamailio's peers: announce them, remove all others. Raises `RpcFailed`.

    A peer that did not answer a ping is removed too: announced anew it is active at once.
    """
    known = nodes(rpc)
    own = own_node(known)
    gone = [n for n in known if not n.local and (n.uri not in uris or not n.active)]
    for node in gone:
        rpc("dmq.remove", node.uri)
    if known == [own] and _uptime_s(rpc) < FRESH_S:
        _introduce(own, [uri for uri in uris if uri != own.uri])
    announce((own.host, own.port), uris, source=own.host)
    return f"{len(uris)} peers, {len(gone)} removed"


def _uptime_s(rpc: Callable[..., str]) -> int:
    match = re.search(r"uptime: (\d+)", rpc("core.uptime"))
    return int(match[1]) if match else 0


def _introduce(own: Node, strangers: Iterable[str]) -> None:
    """Tell the peers that this node has started, before it asks them for their state.

    Only one that has just started does it: the news makes a peer ask too, if it never did.
    A peer that still takes it for dead, because it was a moment ago, would send no dialogs: it
    sends them to the nodes that it holds for active, and is asked only once. Raises `RpcFailed`
    then; that peer's agent will have removed the dead one before the next attempt.
    """
    for uri in strangers:
        _, host, port = uri.split(":")
        try:
            seen = announce((host, int(port)), [own.uri], source=own.host)
        except (RpcFailed, OSError):
            continue  # it is the one that is dead
        if f"{own.uri};status=active" not in seen:
            raise RpcFailed(f"{uri} still takes {own.uri} for dead")


def announce(to: tuple[str, int], peers: Iterable[str], *, source: str) -> str:
    """Send the peers' URIs (`sip:10.0.0.1:5090`) from the address `source` to the DMQ socket `to`.

    Kamailio adds those that it does not know and asks them for their dialogs and tables; it
    keeps the others. Returns its answer, which lists the nodes that it holds for active.
    Raises `RpcFailed`.
    """
    body = "".join(f"{uri};status=active\r\n" for uri in peers)
    reply = _send(to, "notification_peer", "text/plain", body, source=source)
    if not reply.startswith(_OK):
        address, port = to
        status = reply.split("\r\n", 1)[0]
        raise RpcFailed(f"DMQ at {address}:{port} answered {status!r}")
    return reply


def remove_dialog(to: tuple[str, int], h_entry: int, h_id: int, *, source: str) -> bool:
    """Tell Kamailio what the peer that ended a dialog tells: to forget it. False when it does not
    know the dialog. Raises `RpcFailed` when it does not answer.
    """
    body = {"action": _REMOVE, "h_entry": h_entry, "h_id": h_id, "state": State.DELETED.value}
    return _send(to, "dialog", "application/json", json.dumps(body), source=source).startswith(_OK)


def _send(to: tuple[str, int], peer: str, kind: str, body: str, *, source: str) -> str:
    """Kamailio's answer. Raises `RpcFailed` when there is none."""
    address, port = to
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((source, 0))
        sock.settimeout(TIMEOUT_S)
        sock.sendto(_message(to, sock.getsockname(), peer, kind, body), to)
        try:
            return sock.recv(65535).decode(errors="replace")
        except TimeoutError:
            raise RpcFailed(f"DMQ at {address}:{port} did not answer") from None


def _message(
    to: tuple[str, int], source: tuple[str, int], peer: str, kind: str, body: str
) -> bytes:
    """To one of the modules that replicate, as DMQ calls its `peer`."""
    token = secrets.token_hex(8)
    (address, port), (source_address, source_port) = to, source
    lines = [
        f"KDMQ sip:{peer}@{address}:{port} SIP/2.0",
        f"Via: SIP/2.0/UDP {source_address}:{source_port};branch=z9hG4bK{token}",
        f"From: <sip:c4-agent@{source_address}>;tag={token}",
        f"To: <sip:{peer}@{address}:{port}>",
        f"Call-ID: {token}@{source_address}",
        "CSeq: 1 KDMQ",
        "Max-Forwards: 1",  # Kamailio passes the news on to its peers only with more
        f"Content-Type: {kind}",
        f"Content-Length: {len(body)}",
    ]
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()
