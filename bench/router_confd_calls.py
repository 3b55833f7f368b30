"""The cost of a call for router-confd and its database: one routing request and one record.

    python -m bench.router_confd_calls [--rates 100 300] [--seconds 10] [--rounds 3]
    python -m bench.router_confd_calls --old ../other-checkout     and the ratio to that one

Both versions run at once on one PostgreSQL, each with a database of its own, and get requests in
turn, so that other work of the machine affects both. Requests are paced and use persistent
connections, as libcurl does in Kamailio. They are recordings (`bench/recorded`) with a different
call in each. A record is sent alone and not in a list, because older versions accept no lists. At
the end every confirmed record must be in the database.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from bench.router_confd import ROOT, database
from router_confd.config import OLD_PREFIX, PREFIX
from testbed.load import meter
from testbed.router_confd.instance import Instance, Site
from testbed.router_confd.postgres import Postgres

RECORDED = Path(__file__).with_name("recorded")
TALK_S = 0.5  # from the routing request to the record
QUESTION, RECORD = "/1.0/kamailio/routing", "/1.0/kamailio/cdr"


@dataclass(frozen=True)
class Cost:
    """Cost of one round."""

    service: float  # microseconds of processor time per call
    database: float
    slowest: tuple[float, float]  # milliseconds, p99 of routing requests and of records

    @property
    def together(self) -> float:
        return self.service + self.database


@dataclass
class Version:
    name: str
    instance: Instance
    process: subprocess.Popen[bytes]
    site: Site
    confirmed: set[str] = field(default_factory=set)  # call ids

    def stored(self, server: Postgres) -> set[str]:
        rows = server.sql("SELECT call_id FROM cdrs", self.instance.database)
        return set(rows.splitlines())


class Client:
    """Connections to one service, kept while idle."""

    def __init__(self, version: Version) -> None:
        self._version = version
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        self.opened = 0
        self.waits: dict[str, list[float]] = {QUESTION: [], RECORD: []}

    async def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        port = self._version.instance.internal_port
        started = time.perf_counter()
        if self._idle:
            reader, writer = self._idle.pop()
        else:
            self.opened += 1
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
        data = json.dumps(body, separators=(",", ":")).encode()
        head = (
            f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAccept: */*\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
        )
        writer.write(head.encode() + data)
        answer = await reader.readuntil(b"\r\n\r\n")
        status, *lines = answer.decode().lower().split("\r\n")
        length = next(int(x.partition(":")[2]) for x in lines if x.startswith("content-length"))
        text = await reader.readexactly(length)
        assert " 200 " in status, (status, text)
        self.waits[path].append(time.perf_counter() - started)
        self._idle.append((reader, writer))
        return dict(json.loads(text))

    def close(self) -> None:
        for _, writer in self._idle:
            writer.close()


async def _call(client: Client, version: Version, number: int) -> None:
    site = version.site
    call_id, tag = f"{number}-{random.getrandbits(64):x}@198.51.100.10", f"{number}SIPpTag00"
    question = _recorded("question") | {
        "call_id": call_id, "from_tag": tag, "source_ip": site.trunk_address,
    }  # fmt: skip
    answer = await client.post(QUESTION, question)
    assert answer["rtjson"]["success"], answer
    await asyncio.sleep(TALK_S)
    record = _recorded("record") | {
        "call_id": call_id, "idempotency_key": f"{call_id};{tag}", "tenant_uuid": site.uuid,
        "source_ip": site.trunk_address, "call_start": int(time.time()),
    }  # fmt: skip
    answer = await client.post(RECORD, record)
    assert answer["success"] and answer["cdr"]["call_id"] == call_id, answer
    version.confirmed.add(call_id)


def _recorded(name: str) -> dict[str, Any]:
    return dict(json.loads((RECORDED / f"{name}.json").read_text()))


async def _load(version: Version, rate: int, seconds: float) -> Client:
    """Calls at random times, `rate` a second on average."""
    client = Client(version)
    due = time.monotonic()
    end = due + seconds
    async with asyncio.TaskGroup() as calls:
        number = 0
        while (due := due + random.expovariate(rate)) < end:
            await asyncio.sleep(max(0, due - time.monotonic()))
            calls.create_task(_call(client, version, number := number + 1))
    client.close()
    return client


def _round(version: Version, server: Postgres, rate: int, seconds: float) -> Cost:
    postmaster = int((server.directory / "data" / "postmaster.pid").read_text().splitlines()[0])
    groups = (version.process.pid, postmaster)
    known = len(version.confirmed)
    before = [meter.processor_s(pid) for pid in groups]
    client = asyncio.run(_load(version, rate, seconds))
    spent = [meter.processor_s(pid) - b for pid, b in zip(groups, before, strict=True)]
    calls = len(version.confirmed) - known
    service, stored = (1e6 * s / calls for s in spent)
    slowest = [1e3 * sorted(client.waits[p])[int(0.99 * calls)] for p in (QUESTION, RECORD)]
    return Cost(service, stored, (slowest[0], slowest[1]))


def _environment(instance: Instance, tree: Path) -> dict[str, str]:
    """The instance's settings, by the names that the version in `tree` has for them."""
    settings = instance.environment
    if PREFIX not in (tree / "router_confd/config.py").read_text():
        settings = {name.replace(PREFIX, OLD_PREFIX): text for name, text in settings.items()}
    return settings | {"PYTHONPATH": str(tree)}


@contextmanager
def _serving(server: Postgres, tree: Path, name: str) -> Iterator[Version]:
    server.sql(f"CREATE DATABASE {name}")
    with TemporaryDirectory(dir="/var/tmp") as directory:
        instance = Instance(server, Path(directory), name)
        environment = _environment(instance, tree)
        with instance.log.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "router_confd"], cwd=tree, env=environment,
                stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        try:
            while not instance.serving:
                if process.poll() is not None:
                    raise RuntimeError(f"{name} ended:\n{instance.log.read_text()[-2000:]}")
                time.sleep(0.1)
            site = Site(instance)
            number = _recorded("question")["request_uri"].partition(":")[2].partition("@")[0]
            site.add_did(f"^{number}$")
            yield Version(name, instance, process, site)
        finally:
            process.terminate()
            process.wait(timeout=20)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rates", type=int, nargs="+", default=[100, 300], metavar="CPS")
    parser.add_argument("--seconds", type=float, default=10, help="of each round")
    parser.add_argument("--rounds", type=int, default=3, help="of each version at each rate")
    parser.add_argument("--old", type=Path, help="another checkout, to compare with")
    arguments = parser.parse_args(argv)
    trees = {"new": ROOT} | ({"old": arguments.old.resolve()} if arguments.old else {})
    lost = 0
    with ExitStack() as stack:
        server = stack.enter_context(database())
        versions = [stack.enter_context(_serving(server, t, n)) for n, t in trees.items()]
        for version in versions:
            _round(version, server, 50, 2)
        for rate in arguments.rates:
            _compare(versions, server, rate, arguments)
        for version in versions:
            lost += len(version.confirmed - version.stored(server))
            print(f"{version.name}: {len(version.confirmed)} records confirmed, {lost} lost")
    return 1 if lost else 0


def _compare(
    versions: Sequence[Version], server: Postgres, rate: int, arguments: argparse.Namespace
) -> None:
    found: dict[str, list[Cost]] = {version.name: [] for version in versions}
    for turn in range(arguments.rounds):
        for version in versions if turn % 2 else reversed(versions):
            found[version.name].append(_round(version, server, rate, arguments.seconds))
    for name, costs in found.items():
        question, record = (median(c.slowest[i] for c in costs) for i in (0, 1))
        print(
            f"{rate}/s {name}: service {median(c.service for c in costs):.0f} µs,"
            f" database {median(c.database for c in costs):.0f} µs per call;"
            f" p99 request {question:.1f} ms, record {record:.1f} ms"
        )
    if "old" in found:
        ratios = [n.together / o.together for n, o in zip(*found.values(), strict=True)]
        print(f"{rate}/s new : old = {median(ratios):.2f} ({min(ratios):.2f}..{max(ratios):.2f})")


if __name__ == "__main__":
    sys.exit(main())
