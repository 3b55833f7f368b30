"""Runs the SIP plane of one tree for a benchmark, which may be another tree's.

    PYTHONPATH=TREE:TREE/constructs python -P TREE/bench/plane_server.py LAYER[:LAYER...]

This is all that one tree has to know of another. The tree's own code renders its templates, starts
Kamailio, rtpengine and router-confd from the layers of the image (topmost first), and hands its
lists over. One line of JSON on standard output says that calls may come:

    sessions     number of the session (PID of its first process) by name: sbc1, rtr2, confd1, ...
    namespaces   the network namespaces of the caller and of the callee
    addresses    their addresses
    target       ADDRESS:PORT where the caller reaches an SBC
    numbers      the numbers that are routed to the callee

The plane ends when standard input does. Trees without this file are served by that of the
benchmark's tree; those of 0.1 have other names, and `plane_server_0_1.py` serves them.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

from bench.router_confd_instances import real_router_confd
from common import ports
from settings.deployment import Deployment
from settings.load import load
from settings.sip import Overload
from settings.tiers import KamailioSize
from testbed.sip.addresses import CALLEE, CALLER, SBCS
from testbed.sip.node import Node
from testbed.sip.plane import cluster

NUMBERS = 10_000
# With the demo's value memory would be the limit: a call keeps some until its transactions end.
MEMORY_MB: int = KamailioSize.model_fields["shared_memory_mb"].default


def measured_settings() -> Deployment:
    """The demo's, without its limits: a benchmark measures the rate that it offers."""
    settings = load("demo")
    tenant = settings.tenants[0]
    edge = tenant.sip.edge.model_copy(update={"trusted_packets_per_s": 1_000_000})
    # The demo's `queue_wait_ms` is for machines that mostly wait for a processor.
    overload = Overload(new_calls_per_s=100_000)
    sip = tenant.sip.model_copy(update={"edge": edge, "overload": overload})
    tenants = (tenant.model_copy(update={"sip": sip}), *settings.tenants[1:])
    return settings.model_copy(update={"tenants": tenants})


def sessions(nodes: list[Node]) -> dict[str, int]:
    """Session of a node's processes by its name."""
    return {node.name: node.process.pid for node in nodes if node.process is not None}


def _end(number: int, _: object) -> None:
    """Clean up, once."""
    signal.signal(number, signal.SIG_IGN)
    sys.exit(1)


def main() -> None:
    # Whatever the tree prints shall not mix with the answer.
    with os.fdopen(os.dup(1), "w") as answer:
        os.dup2(2, 1)
        signal.signal(signal.SIGTERM, _end)
        layers = tuple(Path(part) for part in sys.argv[1].split(":"))
        with (
            cluster(layers, measured_settings(), memory_mb=MEMORY_MB) as plane,
            real_router_confd(plane, NUMBERS) as service,
        ):
            target = f"{next(iter(SBCS.values()))[1]}:{ports.SIP}"
            ready = {
                "sessions": sessions(list(plane.nodes.values())) | service.sessions,
                "namespaces": [plane.host_of(CALLER), plane.host_of(CALLEE)],
                "addresses": [CALLER, CALLEE],
                "target": target,
                "numbers": service.numbers,
            }
            print(json.dumps(ready), file=answer, flush=True)
            sys.stdin.read()


if __name__ == "__main__":
    main()
