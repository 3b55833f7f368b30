"""`plane_server.py` for trees of version 0.1, whose modules and settings have other names."""

from __future__ import annotations

import json
import os
import signal
import sys
from importlib import import_module
from pathlib import Path

NUMBERS = 10_000


def _end(number: int, _: object) -> None:
    """Clean up, once."""
    signal.signal(number, signal.SIG_IGN)
    sys.exit(1)


def main() -> None:
    cluster = import_module("tests.kamailio.cluster")
    models = import_module("settings.models")
    port = import_module("settings.facts").SIP_PORT
    settings = import_module("settings.load").load("demo")
    limits = {"max_new_calls_per_s": 100_000, "known_packets_per_s": 1_000_000}
    if overload := models.Sip.model_fields.get("overload_ms"):
        limits["overload_ms"] = overload.default
    known = {name: v for name, v in limits.items() if name in models.Sip.model_fields}
    first, *others = settings.tenants
    tenant = first.model_copy(update={"sip": first.sip.model_copy(update=known)})
    settings = settings.model_copy(update={"tenants": (tenant, *others)})
    memory_mb = models.KamailioSize.model_fields["shared_memory_mb"].default
    with os.fdopen(os.dup(1), "w") as answer:
        os.dup2(2, 1)
        signal.signal(signal.SIGTERM, _end)
        layers = tuple(Path(part) for part in sys.argv[1].split(":"))
        real_confd = import_module("bench.confd").real_confd
        with (
            cluster.cluster(layers, settings, memory_mb=memory_mb) as plane,
            real_confd(plane, NUMBERS) as service,
        ):
            nodes = plane.nodes.values()
            ready = {
                "sessions": {n.name: n.process.pid for n in nodes} | service.sessions,
                "namespaces": [plane.host_of(cluster.CALLER), plane.host_of(cluster.CALLEE)],
                "addresses": [cluster.CALLER, cluster.CALLEE],
                "target": f"{next(iter(cluster.SBCS.values()))[1]}:{port}",
                "numbers": service.numbers,
            }
            print(json.dumps(ready), file=answer, flush=True)
            sys.stdin.read()


if __name__ == "__main__":
    main()
