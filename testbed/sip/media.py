"""What the rtpengines of a plane know."""

from __future__ import annotations

from common import ports
from testbed.sip.plane import Cluster


def relaying(plane: Cluster, call_id: str) -> list[str]:
    """The rtpengine of each of the call's relays: every attempt with the Call-ID has its own."""
    found = []
    for node in plane.tier("rtp"):
        reply = node.ng(ports.RTPENGINE_NG.number, "d7:command4:list5:limiti1000ee")
        assert b"6:result2:ok" in reply, reply
        found += [node.name] * reply.count(f":{call_id};".encode())
    return found
