"""Tell Kamailio's DMQ who its peers are, while it runs.

DMQ has no command to add a peer, and reads its configured address only while it is alone. But it
accepts a notification, the message by which its peers announce each other: we send it one.
"""

from __future__ import annotations

import re
import secrets
import socket
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from agent.kamcmd import RpcFailed

TIMEOUT_S = 1.0
_NODE = re.compile(r"host: (\S+)\s+port: (\d+).*?local: (\d)", re.DOTALL)


class Node(NamedTuple):
    """A member of the bus, as Kamailio lists it."""

    host: str
    port: int
    local: bool

    @property
    def uri(self) -> str:
        return f"sip:{self.host}:{self.port}"


def nodes(rpc: Callable[..., str]) -> list[Node]:
    """Members that Kamailio knows, itself included. Raises `RpcFailed`."""
    reply = rpc("dmq.list_nodes")
    return [Node(host, int(port), local == "1") for host, port, local in _NODE.findall(reply)]


def set_peers(uris: Sequence[str], rpc: Callable[..., str]) -> str:
    """Make `uris` Kamailio's peers: announce them, remove all others. Raises `RpcFailed`."""
    known = nodes(rpc)
    own = next((node for node in known if node.local), None)
    if own is None:
        raise RpcFailed("DMQ does not list its own node")
    announce(own.host, own.port, uris)
    gone = [node.uri for node in known if not node.local and node.uri not in uris]
    for uri in gone:
        rpc("dmq.remove", uri)
    return f"{len(uris)} peers, {len(gone)} removed"


def announce(address: str, port: int, peers: Iterable[str]) -> None:
    """Send the peers' URIs (`sip:10.0.0.1:5090`) to the DMQ socket at `address`:`port`.

    Kamailio adds those that it does not know and asks them for their dialogs and tables; it
    keeps the others. Raises `RpcFailed`.
    """
    body = "".join(f"{uri};status=active\r\n" for uri in peers)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((address, 0))
        sock.settimeout(TIMEOUT_S)
        sock.sendto(_notification(address, port, sock.getsockname()[1], body), (address, port))
        try:
            reply = sock.recv(65535).decode(errors="replace")
        except TimeoutError:
            raise RpcFailed(f"DMQ at {address}:{port} did not answer") from None
    status = reply.split("\r\n", 1)[0]
    if not status.startswith("SIP/2.0 200"):
        raise RpcFailed(f"DMQ at {address}:{port} answered {status!r}")


def _notification(address: str, port: int, source_port: int, body: str) -> bytes:
    token = secrets.token_hex(8)
    lines = [
        f"KDMQ sip:notification_peer@{address}:{port} SIP/2.0",
        f"Via: SIP/2.0/UDP {address}:{source_port};branch=z9hG4bK{token}",
        f"From: <sip:c4-agent@{address}>;tag={token}",
        f"To: <sip:notification_peer@{address}:{port}>",
        f"Call-ID: {token}@{address}",
        "CSeq: 1 KDMQ",
        "Max-Forwards: 1",  # Kamailio passes the news on to its peers only with more
        "Content-Type: text/plain",
        f"Content-Length: {len(body)}",
    ]
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()
