"""Tell Kamailio's DMQ who its peers are, while it runs.

DMQ has no command to add a peer, and reads its configured address only while it is alone. But it
accepts a notification, the message by which its peers announce each other: we send it one.
"""

from __future__ import annotations

import secrets
import socket
from collections.abc import Iterable

TIMEOUT_S = 1.0


class NotAnnounced(Exception):
    """Kamailio gave no good answer to the notification."""


def announce(address: str, port: int, peers: Iterable[str]) -> None:
    """Send the peers' URIs (`sip:10.0.0.1:5090`) to the DMQ socket at `address`:`port`.

    Kamailio adds those that it does not know and asks them for their dialogs and tables; it
    keeps the others. Raises `NotAnnounced`.
    """
    body = "".join(f"{uri};status=active\r\n" for uri in peers)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((address, 0))
        sock.settimeout(TIMEOUT_S)
        sock.sendto(_notification(address, port, sock.getsockname()[1], body), (address, port))
        try:
            reply = sock.recv(65535).decode(errors="replace")
        except TimeoutError:
            raise NotAnnounced(f"DMQ at {address}:{port} did not answer") from None
    status = reply.split("\r\n", 1)[0]
    if not status.startswith("SIP/2.0 200"):
        raise NotAnnounced(f"DMQ at {address}:{port} answered {status!r}")


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
