"""Numbers that a node's Kamailio keeps."""

from __future__ import annotations

import re

from testbed.sip.http import fetch
from testbed.sip.node import Node
from testbed.sip.plane import Cluster


def metric(plane: Cluster, node: str, name: str, **labels: str) -> int:
    """Sum of a node's counters of that name with at least these labels; 0 when there is none.

    From 6.1.2 on, Kamailio puts tenant and tier into the labels of our own counters too.
    """
    found = 0
    for line in fetch(plane, node, "/metrics").splitlines():
        counter = re.match(rf"kamailio_{name}\{{(.*)\}} (\d+)", line)
        if counter and labels.items() <= dict(re.findall(r'(\w+)="([^"]*)"', counter[1])).items():
            found += int(counter[2])
    return found


def refused(plane: Cluster, reason: str) -> int:
    """Calls that the first SBC has refused for that reason; 0 before the first."""
    return metric(plane, "sbc1", "c4_refused", reason=reason)


def shared_variable(node: Node, name: str) -> int:
    """A number that the node's processes share, `$shv(name)`."""
    return int(re.findall(r"\d+", node.rpc("pv.shvGet", name))[-1])
