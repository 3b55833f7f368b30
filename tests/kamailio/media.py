"""What the rtpengines of a plane know."""

from __future__ import annotations

import socket
import time

from settings.facts import RTPENGINE_NG_PORT
from tests.kamailio.cluster import Cluster
from tests.kamailio.netns import socket_in


def relaying(plane: Cluster, call_id: str) -> list[str]:
    """rtpengines that know the call."""
    found = []
    for node in plane.tier("rtp"):
        with socket_in(node.namespace, socket.SOCK_DGRAM, (node.address, 0)) as ng:
            ng.settimeout(3)
            question = f"7:call-id{len(call_id)}:{call_id}7:command5:query"
            cookie = f"{time.monotonic_ns():x}"  # a repeated one gets the same reply again
            ng.sendto(f"{cookie} d{question}e".encode(), (node.address, RTPENGINE_NG_PORT))
            if b"6:result2:ok" in ng.recv(65535):
                found.append(node.name)
    return found
