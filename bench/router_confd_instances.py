"""The real router-confd on a real PostgreSQL, in place of the stubs with recorded answers."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp

from common import ports
from host.errors import HostError
from testbed.router_confd.instance import ROOT, START_LIMIT, Instance, Site, free_port
from testbed.router_confd.postgres import Postgres
from testbed.sip.addresses import CALLEE, CALLER
from testbed.sip.netns import run
from testbed.sip.plane import Cluster

DATABASE = "bench"
FIRST = 390550000000
_DIDS = """
INSERT INTO dids (tenant_uuid, ipbx_id, carrier_trunk_id, did_regex, did_prefix, is_number)
    SELECT '{tenant}', {ipbx}, {trunk}, '^' || n || '$', n::text, true
    FROM generate_series({first}::bigint, {last}::bigint) n;
ANALYZE dids;
"""


@dataclass
class RealRouterConfd:
    """Two instances of router-confd and their database."""

    postgres: Postgres
    instances: dict[str, subprocess.Popen[bytes]]  # by name
    numbers: list[str]  # numbers that are routed to the callee

    @property
    def sessions(self) -> dict[str, int]:
        """Session of processes by name."""
        text = (self.postgres.directory / "data" / "postmaster.pid").read_text()
        return {name: p.pid for name, p in self.instances.items()} | {
            "postgres": int(text.splitlines()[0])
        }

    def records(self) -> int:
        """Call records in the database."""
        return int(self.postgres.sql("SELECT count(*) FROM cdrs", DATABASE))


@contextmanager
def real_router_confd(plane: Cluster, numbers: int) -> Iterator[RealRouterConfd]:
    """Stop the stubs; the routers find the real instances under the same addresses."""
    with ExitStack() as stack:
        postgres = Postgres(Path(mkdtemp(prefix="c4-bench-")), free_port())
        postgres.create()
        postgres.start()
        stack.callback(postgres.remove)
        postgres.sql(f"CREATE DATABASE {DATABASE}")
        directory = Path(stack.enter_context(TemporaryDirectory(dir="/var/tmp")))
        found = _fill(postgres, directory / "seed", numbers)
        for stub in plane.confds:
            stub.stop()
        service = RealRouterConfd(postgres, {}, found)
        for i, stub in enumerate(plane.confds, 1):
            name = f"confd{i}"
            place = Instance(postgres, directory / name, DATABASE)
            environment = place.environment | {
                "C4_ROUTER_CONFD_KAMAILIO_LISTEN": f"{stub.address}:{stub.port}",
                "C4_ROUTER_CONFD_API_LISTEN": f"{stub.address}:{ports.ROUTER_CONFD_API.number}",
            }
            with place.log.open("ab") as log:
                process = subprocess.Popen(
                    ["ip", "netns", "exec", stub.namespace, sys.executable, "-m", "router_confd"],
                    cwd=ROOT, env=environment, stdout=log, stderr=log, start_new_session=True,
                )  # fmt: skip
            stack.callback(process.wait)
            stack.callback(process.terminate)
            service.instances[name] = process
            _await(stub.namespace, f"http://{stub.address}:{stub.port}/status", place.log)
        yield service


def _fill(postgres: Postgres, directory: Path, numbers: int) -> list[str]:
    """A carrier's trunk at the caller, a PBX at the callee, and numbers that are routed to it."""
    instance = Instance(postgres, directory, DATABASE).start()
    try:
        site = Site(instance)
        trunk = site.add_trunk("caller", CALLER)
        pbx = site.post("ipbxs", domain_id=site.domain["id"], ip_fqdn=CALLEE, ip_address=CALLEE)
        last = FIRST + numbers - 1
        values = {"tenant": site.uuid, "ipbx": pbx["id"], "trunk": trunk["id"]}
        postgres.sql(_DIDS.format(first=FIRST, last=last, **values), DATABASE)
    finally:
        instance.stop()
    return [str(n) for n in range(FIRST, last + 1)]


def _await(namespace: str, url: str, log: Path) -> None:
    deadline = time.monotonic() + START_LIMIT
    while time.monotonic() < deadline:
        try:
            run(["ip", "netns", "exec", namespace, "curl", "-fsS", "-o", "/dev/null", url])
            return
        except HostError:
            time.sleep(0.1)
    raise RuntimeError(f"router-confd at {url} does not serve:\n{log.read_text()[-2000:]}")
