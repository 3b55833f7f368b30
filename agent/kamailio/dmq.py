"""Set the peers of Kamailio's DMQ while Kamailio runs.

DMQ has no command that adds a peer, and reads its configured address only while it has no peers.
But it accepts a notification, the message by which peers announce each other, so the agent sends
it one.
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


class DmqNode(NamedTuple):
    """A member of the bus, as Kamailio lists it."""

    host: str
    port: int
    active: bool
    local: bool

    @property
    def uri(self) -> str:
        return f"sip:{self.host}:{self.port}"


def nodes(rpc: Callable[..., str]) -> list[DmqNode]:
    """The members that Kamailio knows, including itself. Raises `RpcFailed`."""
    reply = rpc("dmq.list_nodes")
    return [
        DmqNode(host, int(port), status == "active", local == "1")
        for host, port, status, local in _NODE.findall(reply)
    ]


def own_node(known: Iterable[DmqNode]) -> DmqNode:
    """Kamailio's own entry among the nodes that it knows. Raises `RpcFailed`."""
    own = next((node for node in known if node.local), None)
    if own is None:
        raise RpcFailed("DMQ does not list its own node")
    return own


def set_peers(uris: Sequence[str], rpc: Callable[..., str]) -> str:
    """Make `uris` Kamailio's peers: announce them, and remove all others. Raises `RpcFailed`.

    A peer that did not answer a ping is removed too: announced again, it is active at once.
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


def _introduce(own: DmqNode, peers: Iterable[str]) -> None:
    """Announce this node to its peers, before it asks them for their state.

    Only a node that has just started does so, because an announcement makes a peer ask for state
    as well, if it never has. A peer that still considers this node dead, as it was a moment ago,
    would not send its dialogs: it sends them to active nodes only, and Kamailio asks only once.
    In that case this raises `RpcFailed`. Before the next attempt, that peer's agent will have
    removed the dead node.
    """
    for uri in peers:
        _, host, port = uri.split(":")
        try:
            seen = announce((host, int(port)), [own.uri], source=own.host)
        except (RpcFailed, OSError):
            continue  # this peer is dead itself
        if f"{own.uri};status=active" not in seen:
            raise RpcFailed(f"{uri} still considers {own.uri} dead")


def announce(to: tuple[str, int], peers: Iterable[str], *, source: str) -> str:
    """Send the peers' URIs (`sip:10.0.0.1:5090`) from the address `source` to the DMQ socket `to`.

    Kamailio adds the peers that it does not know, asks them for their dialogs and tables, and
    keeps the others. Returns its answer, which lists the nodes that it considers active.
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
    """Have Kamailio forget a dialog, by the message of the peer that ended it.

    False when Kamailio does not know the dialog. Raises `RpcFailed` when it does not answer.
    """
    body = {"action": _REMOVE, "h_entry": h_entry, "h_id": h_id, "state": State.DELETED.value}
    return _send(to, "dialog", "application/json", json.dumps(body), source=source).startswith(_OK)


def _send(to: tuple[str, int], peer: str, kind: str, body: str, *, source: str) -> str:
    """Send a message and return Kamailio's answer. Raises `RpcFailed` when there is none."""
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
    """A message to a module that replicates, which DMQ calls a `peer`."""
    token = secrets.token_hex(8)
    (address, port), (source_address, source_port) = to, source
    lines = [
        f"KDMQ sip:{peer}@{address}:{port} SIP/2.0",
        f"Via: SIP/2.0/UDP {source_address}:{source_port};branch=z9hG4bK{token}",
        f"From: <sip:c4-agent@{source_address}>;tag={token}",
        f"To: <sip:{peer}@{address}:{port}>",
        f"Call-ID: {token}@{source_address}",
        "CSeq: 1 KDMQ",
        "Max-Forwards: 1",  # with a higher number, Kamailio would forward it to its peers
        f"Content-Type: {kind}",
        f"Content-Length: {len(body)}",
    ]
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()
