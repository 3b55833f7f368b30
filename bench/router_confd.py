"""Lookups per second and latency of router-confd, compared with a floor of the same run.

The floor is an endpoint of the same application that answers with a constant. For comparison, the
same constant is also served before FastAPI, as routing requests are.

    python -m bench.router_confd [--tenants 1000] [--trunks 10000] [--dids 1000000] [--seconds 10]

Needs the PostgreSQL server programs and `wrk`. Everything is on loopback and removed at the end.
Each lookup is a call from a random trunk to a random number of its tenant, so nothing repeats.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from typing import Annotated

import httpx
import typer
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from testbed.router_confd.instance import Instance, free_port  # noqa: E402
from testbed.router_confd.postgres import Postgres  # noqa: E402

SCRIPT = Path(__file__).with_name("router_confd.lua")
CONNECTIONS = 32  # for full load
PACED_CONNECTIONS = 200  # enough that one slow answer hardly delays the next request
FEW = 100  # the small run has this many times fewer DIDs
RATIO_AIM = 0.5  # share of the floor's throughput
P99_AIM = 10.0  # milliseconds at LOAD
LOAD = 0.8  # of the throughput found
DID_AIM = 0.8  # processor time per answer with few DIDs, relative to the one with all

console = Console()


@dataclass(frozen=True)
class Size:
    tenants: int
    trunks: int  # per tenant
    dids: int  # per tenant


@dataclass(frozen=True)
class Result:
    rate: float  # answers per second
    p99: float  # milliseconds
    cpu: float  # microseconds of the server's processor time per answer


SEED = """
SET session_replication_role = replica;  -- no notifications, no checks: the rows fit together
CREATE FUNCTION owner(t int) RETURNS uuid LANGUAGE sql IMMUTABLE AS
    $$ SELECT ('00000000-0000-4000-8000-' || lpad(t::text, 12, '0'))::uuid $$;
INSERT INTO tenants (uuid, name) SELECT owner(t),
    'tenant ' || t FROM generate_series(1, {tenants}) t;
INSERT INTO domains (id, tenant_uuid, domain) SELECT t,
    owner(t), 'd' || t || '.example.com'
    FROM generate_series(1, {tenants}) t;
INSERT INTO ipbx (id, tenant_uuid, domain_id, ip_fqdn, port, ip_address, registered) SELECT t,
    owner(t), t, a, 5060, a, false
    FROM (SELECT t, '10.1.' || t / 250 || '.' || t % 250 AS a
    FROM generate_series(1, {tenants}) t) x;
INSERT INTO carriers (id, tenant_uuid, name) SELECT t,
    owner(t), 'carrier'
    FROM generate_series(1, {tenants}) t;
INSERT INTO carrier_trunks (id, tenant_uuid, carrier_id, name, sip_proxy, sip_proxy_port,
    ip_address, registered, expire_seconds, retry_seconds) SELECT (t - 1) * {trunks} + k,
    owner(t), t, 'trunk ' || k, a, 5060, a, false,
    3600, 30 FROM (SELECT t, k, '10.' || 100 + k || '.' || t / 250 || '.' || t % 250 AS a
    FROM generate_series(1, {tenants}) t, generate_series(1, {trunks}) k) x;
"""
SEED_DIDS = """
SET session_replication_role = replica;
TRUNCATE dids;
INSERT INTO dids (tenant_uuid, ipbx_id, carrier_trunk_id, did_regex, did_prefix, is_number)
    SELECT owner(t), t, (t - 1) * {trunks} + 1,
    '^' || n || '$', n, true FROM (SELECT t, (39000000000 + t::bigint * 1000000 + d)::text AS n
    FROM generate_series(1, {tenants}) t, generate_series(0, {dids} - 1) d) x;
ANALYZE dids;
"""


@contextmanager
def database() -> Iterator[Postgres]:
    server = Postgres(Path(mkdtemp(prefix="c4-bench-")), free_port())
    server.create()
    server.start()
    try:
        yield server
    finally:
        server.remove()


@contextmanager
def serving(instance: Instance) -> Iterator[tuple[int, float]]:
    """Run the benchmark's server; its process id, and seconds until it served."""
    with instance.log.open("ab") as log:
        started = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, "-m", "bench.router_confd_server"],
            cwd=ROOT,
            env=instance.environment,
            stdout=log,
            stderr=log,
        )
    try:
        while not instance.serving:
            if process.poll() is not None or time.monotonic() - started > 120:
                raise typer.Exit(_complain(instance.log.read_text()[-2000:]))
            time.sleep(0.1)
        yield process.pid, time.monotonic() - started
    finally:
        process.terminate()
        process.wait(timeout=20)


def _complain(text: str) -> int:
    console.print(text, style="red")
    return 1


def _memory(pid: int) -> float:
    match = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(match[1]) / 1024 if match else 0.0


def _cpu(pid: int) -> float:
    """Processor time of a process so far, seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def load(pid: int, url: str, size: Size, seconds: int, rate: float | None = None) -> Result:
    """Send requests for `seconds`, at full load or at `rate` per second."""
    arguments = [str(size.tenants), str(size.trunks), str(size.dids)]
    connections = CONNECTIONS if rate is None else PACED_CONNECTIONS
    arguments.append("0" if rate is None else f"{1000 * connections / rate:.3f}")
    command = [
        "wrk",
        "-t1",
        f"-c{connections}",
        f"-d{seconds}s",
        "--latency",
        "-s",
        str(SCRIPT),
        url,
    ]
    before = _cpu(pid)
    done = subprocess.run([*command, "--", *arguments], text=True, capture_output=True, check=True)
    spent = _cpu(pid) - before
    if "Non-2xx" in done.stdout or "wrong=0\n" not in done.stdout:
        raise typer.Exit(_complain(done.stdout))
    answers = re.search(r"(\d+) requests in", done.stdout)
    rate_found = re.search(r"Requests/sec:\s+([0-9.]+)", done.stdout)
    p99 = re.search(r"99%\s+([0-9.]+)(us|ms|s)\b", done.stdout)
    assert answers and rate_found and p99, done.stdout
    unit = {"us": 0.001, "ms": 1.0, "s": 1000.0}[p99[2]]
    return Result(float(rate_found[1]), float(p99[1]) * unit, 1e6 * spent / int(answers[1]))


def main(
    tenants: Annotated[int, typer.Option(min=1, max=9999)] = 1_000,
    trunks: Annotated[int, typer.Option(min=1, help="of all tenants together")] = 10_000,
    dids: Annotated[int, typer.Option(min=1, help="of all tenants together")] = 1_000_000,
    seconds: Annotated[int, typer.Option(min=1, help="per measurement")] = 10,
    check: Annotated[bool, typer.Option(help="exit status 1 when an aim is missed")] = False,
) -> None:
    """Measure routing lookups."""
    busy = os.getloadavg()[0]
    if busy > 0.5:
        console.print(
            f"Load is {busy:.1f} before the start: expect less and slower", style="yellow"
        )
    full = Size(tenants, max(1, trunks // tenants), max(1, dids // tenants))
    few = Size(tenants, full.trunks, max(1, full.dids // FEW))
    with ExitStack() as stack:
        server = stack.enter_context(database())
        server.sql("CREATE DATABASE bench")
        directory = Path(stack.enter_context(TemporaryDirectory()))
        instance = Instance(server, directory, "bench")
        with serving(instance):
            pass  # makes the tables
        server.sql(SEED.format(**vars(full)), "bench")
        base = f"http://127.0.0.1:{instance.internal_port}"
        lookup = f"{base}/1.0/kamailio/routing"
        floor, bare = f"{base}/floor", f"{base}/bare"

        server.sql(SEED_DIDS.format(**vars(few)), "bench")
        with serving(instance) as (pid, _):
            load(pid, lookup, few, 2)
            small = load(pid, lookup, few, seconds)

        console.print(f"{full.tenants * full.dids:,} DIDs ...")
        server.sql(SEED_DIDS.format(**vars(full)), "bench")
        with serving(instance) as (pid, start):
            memory = _memory(pid)
            load(pid, lookup, full, 2)
            rounds = [
                (load(pid, floor, full, seconds), load(pid, lookup, full, seconds))
                for _ in range(3)
            ]
            # The median, because other work on the machine disturbs single rounds.
            ratio, best_floor, best = sorted(
                ((b.rate / a.rate, a, b) for a, b in rounds), key=lambda r: r[0]
            )[1]
            bottom = load(pid, bare, full, seconds)
            paced = load(pid, lookup, full, seconds, rate=LOAD * best.rate)
            idle = load(pid, floor, full, seconds, rate=LOAD * best.rate)
            _all_routed(base)
            _spot_check(lookup)
    independence = small.cpu / best.cpu
    _report(full, best_floor, bottom, best, ratio, paced, idle, independence, start, memory)
    if check and (ratio < RATIO_AIM or paced.p99 > P99_AIM or independence < DID_AIM):
        raise typer.Exit(1)


def _all_routed(base: str) -> None:
    """Check that all measured lookups were answered with a route."""
    text = httpx.get(f"{base}/metrics").text
    counts = re.findall(r'router_confd_routing_total\{outcome="(\w+)"\} ([0-9.e+]+)', text)
    assert [outcome for outcome, count in counts if float(count)] == ["routed"], counts


def _spot_check(url: str) -> None:
    """Check that lookups are real: a known number is routed to its PBX, an unknown one is not."""
    for number, expected in (("39001000000", ["sip:10.1.0.1:5060"]), ("39000000000", [])):
        question = {"auth": True, "source_ip": "10.101.0.1", "from_uri": "sip:1@a",
                    "to_uri": f"sip:{number}@b"}  # fmt: skip
        reply = httpx.post(url, json=question).json()["rtjson"]
        assert [route["dst_uri"] for route in reply.get("routes", [])] == expected, reply


def _report(
    size: Size, floor: Result, bare: Result, found: Result, ratio: float, paced: Result,
    idle: Result, independence: float, start: float, memory: float,
) -> None:  # fmt: skip
    table = Table(
        title=f"{size.tenants:,} tenants, {size.tenants * size.trunks:,} trunks,"
        f" {size.tenants * size.dids:,} DIDs, {os.cpu_count()} CPUs"
    )
    for column in ("measure", "value", "aim"):
        table.add_column(column)
    table.add_row(
        "floor: the same server, a constant", f"{floor.rate:,.0f}/s, {floor.cpu:.0f} µs each", ""
    )
    below = f"{bare.rate:,.0f}/s, {bare.cpu:.0f} µs each"
    table.add_row("the same constant past FastAPI", below, "")
    table.add_row("lookups", f"{found.rate:,.0f}/s, {found.cpu:.0f} µs each", "")
    table.add_row("ratio (median of three rounds)", f"{ratio:.2f}", f">= {RATIO_AIM}")
    table.add_row("ratio by processor time", f"{floor.cpu / found.cpu:.2f}", "")
    table.add_row("the same, to the constant past FastAPI", f"{bare.cpu / found.cpu:.2f}", "")
    offered = f"p99 at {LOAD:.0%} load ({paced.rate:,.0f}/s)"
    table.add_row(offered, f"{paced.p99:.1f} ms", f"< {P99_AIM:.0f} ms")
    table.add_row("p99 of the floor at the same load", f"{idle.p99:.1f} ms", "")
    table.add_row(
        f"processor time with {FEW} times fewer DIDs", f"{independence:.2f}", f">= {DID_AIM}"
    )
    table.add_row("start until it serves", f"{start:.1f} s", "")
    table.add_row("memory", f"{memory:.0f} MiB", "")
    console.print(table)


if __name__ == "__main__":
    typer.run(main)
