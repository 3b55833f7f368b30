"""Numbers that a node's Kamailio keeps."""

from __future__ import annotations

import re

from testbed.sip.http import fetch
from testbed.sip.node import Node
from testbed.sip.plane import Cluster


def refused(plane: Cluster, reason: str) -> int:
    """Calls that the first SBC has refused for that reason; 0 before the first."""
    text = fetch(plane, "sbc1", "/metrics")
    found = re.search(rf'c4_refused{{reason="{reason}"}} (\d+)', text)
    return int(found[1]) if found else 0


def shared_variable(node: Node, name: str) -> int:
    """A number that the node's processes share, `$shv(name)`."""
    return int(re.findall(r"\d+", node.rpc("pv.shvGet", name))[-1])
