"""What the rtpengines of a plane know."""

from __future__ import annotations

import socket
import time

from settings.facts import RTPENGINE_NG_PORT
from tests.kamailio.cluster import Cluster
from tests.kamailio.netns import socket_in


def relaying(plane: Cluster, call_id: str) -> list[str]:
    """The rtpengine of each of the call's relays: every attempt with the Call-ID has its own."""
    found = []
    for node in plane.tier("rtp"):
        with socket_in(node.namespace, socket.SOCK_DGRAM, (node.address, 0)) as ng:
            ng.settimeout(3)
            cookie = f"{time.monotonic_ns():x}"  # a repeated one gets the same reply again
            question = f"{cookie} d7:command4:list5:limiti1000ee"
            ng.sendto(question.encode(), (node.address, RTPENGINE_NG_PORT))
            reply = ng.recv(65535)
            assert b"6:result2:ok" in reply, reply
            found += [node.name] * reply.count(f":{call_id};".encode())
    return found
