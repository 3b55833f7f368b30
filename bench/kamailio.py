"""Calls per second through the SIP plane, beside a bare two-hop proxy on the same machine.

    python -m bench.kamailio                       about 10 minutes: capacity of both, overload
    python -m bench.kamailio --minutes 10          the same, and ten minutes at the rate found
    python -m bench.kamailio --only mixed --rate 100 --minutes 60     memory over an hour

It needs root, SIPp, the PostgreSQL server and the machine image (or C4_KAMAILIO_ROOT). Every
protection is on, media goes through rtpengine, and the routers use two real router-confd with a
real database. The exit status is 1 when a call failed in a run that must be clean.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from bench import report
from bench.bare import bare_proxy
from bench.report import Run
from bench.router_confd_instances import RealRouterConfd, real_router_confd
from common import ports
from settings.load import load
from settings.sip import Overload
from settings.tiers import KamailioSize
from testbed.load import meter
from testbed.load.hugepages import as_on_the_image
from testbed.load.sipp import Talk, call
from testbed.sip.addresses import CALLEE, CALLER, ROUTERS, RTPS, SBCS
from testbed.sip.node import Node
from testbed.sip.plane import Cluster, cluster

RATES = [100, 150, 200, 250, 300, 350, 400, 450, 500, 600, 700, 800, 1000, 1250, 1500, 2000]
SHORT, MIXED = Talk(1, 1), Talk(1, 15)
NUMBERS = 10_000
COMPARED_CPS = 100  # rate of the two runs whose costs per call are compared
LINGER_S = 12  # tm and dialog keep ended transactions and dialogs for some seconds
STEPS = ("compare", "capacity", "overload", "sustained", "mixed", "bare")


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rates", type=int, nargs="+", default=RATES, metavar="CPS",
                        help="rates to try, lowest first, until one is not clean")  # fmt: skip
    parser.add_argument("--seconds", type=int, default=15, help="length of each try")
    parser.add_argument("--minutes", type=float, default=0, help="length of the long run")
    parser.add_argument("--rate", type=int, default=0, metavar="CPS",
                        help="of the long runs; the default is what was found")  # fmt: skip
    parser.add_argument("--only", nargs="+", choices=STEPS, help="the default is all but `mixed`")
    parser.add_argument("--write", action="store_true", help="write docs/performance.md")
    arguments = parser.parse_args(argv)
    steps = arguments.only or [s for s in STEPS if s != "mixed"]
    if arguments.minutes <= 0:
        steps = [s for s in steps if s not in ("sustained", "mixed")]
    runs: list[Run] = []
    busy = os.getloadavg()[0]
    settings = load("demo")
    # The benchmark measures the offered rate, so the limit of the settings must not apply.
    tenant = settings.tenants[0]
    edge = tenant.sip.edge.model_copy(update={"trusted_packets_per_s": 1_000_000})
    # The demo's `queue_wait_ms` is for machines that mostly wait for a processor.
    overload = Overload(new_calls_per_s=100_000)
    sip = tenant.sip.model_copy(update={"edge": edge, "overload": overload})
    settings = settings.model_copy(
        update={"tenants": (tenant.model_copy(update={"sip": sip}), *settings.tenants[1:])}
    )
    # With the demo's value memory would be the limit: a call keeps some until its transactions end.
    memory_mb = KamailioSize.model_fields["shared_memory_mb"].default
    with as_on_the_image(), cluster(_layers(), settings, memory_mb=memory_mb) as plane:
        with real_router_confd(plane, NUMBERS) as service:
            bench = Bench(plane, service, runs)
            bench.run("warm-up", 20, 5, SHORT)
            runs.clear()
            _measure_plane(bench, steps, arguments)
        if "bare" in steps:
            nodes = [plane.nodes[n] for n in (*SBCS, *ROUTERS)]
            with bare_proxy(plane, nodes) as proxies:
                bench = Bench(plane, None, runs, proxies)
                bench.run("bare: compared", COMPARED_CPS, 30, MIXED)
                bench.climb("bare: capacity", arguments.rates, arguments.seconds)
    text = report.text(runs, busy)
    print(text)
    if arguments.write:
        report.write(text)
    return 1 if any(run.must_be_clean and run.lost for run in runs) else 0


def _measure_plane(bench: Bench, steps: Sequence[str], arguments: argparse.Namespace) -> None:
    found = arguments.rate
    if "compare" in steps:
        bench.run("compared", COMPARED_CPS, 30, MIXED)
    if "capacity" in steps:
        found = found or bench.climb("capacity", arguments.rates, arguments.seconds)
    found = found or COMPARED_CPS
    length = int(arguments.minutes * 60)
    if "sustained" in steps:
        bench.run("sustained", found, length, SHORT, must_be_clean=True)
    if "mixed" in steps:
        bench.run("mixed lengths", found, length, MIXED, must_be_clean=True)
    if "overload" in steps:
        bench.run("overload", 2 * found, max(20, arguments.seconds), SHORT)
    bench.check_records()


def _layers() -> tuple[Path, ...]:
    if chosen := os.environ.get("C4_KAMAILIO_ROOT"):
        return (Path(chosen),)
    from image import layers

    return layers.build(print).instance


class Bench:
    """Runs of one arrangement; `proxies` instead of the SIP plane."""

    def __init__(
        self, plane: Cluster, service: RealRouterConfd | None, runs: list[Run],
        proxies: Sequence[Node] = (),
    ) -> None:  # fmt: skip
        self.plane, self.service, self.runs = plane, service, runs
        self.answered = 0
        names = [n.name for n in proxies] or [*SBCS, *ROUTERS]
        self.kamailios = {name: plane.nodes[name] for name in names}
        self.groups = dict(_sessions([*self.kamailios.values()]))
        if service is not None:
            self.groups |= _sessions([plane.nodes[name] for name in RTPS]) | service.sessions
        self.numbers = service.numbers if service else ["39055"]

    def run(
        self, what: str, rate: int, seconds: int, talk: Talk, *, must_be_clean: bool = False,
        linger: bool = True,
    ) -> Run:  # fmt: skip
        """One run; printed as it ends."""
        namespaces = self.plane.host_of(CALLER), self.plane.host_of(CALLEE)
        target = f"{next(iter(SBCS.values()))[1]}:{ports.SIP}"
        before = {name: meter.processor_s(pid) for name, pid in self.groups.items()}
        idle, passed = meter.idle_s()
        memory = meter.Memory()
        probes = meter.Memory()
        with memory.watched(self._memory()), probes.watched(self._probes()):
            outcome = call(namespaces, (CALLER, CALLEE), target, self.numbers, rate, seconds, talk)
            after_idle, after_passed = meter.idle_s()
            used = {n: meter.processor_s(p) - before[n] for n, p in self.groups.items()}
            time.sleep(LINGER_S if linger else 1)
        self.answered += outcome.calls - outcome.refused - outcome.failed
        dead = sum(seen < max(s) for s in probes.samples.values() for seen in s)
        made = Run(
            what, rate, seconds, talk.mean, outcome, used, memory.samples,
            1 - (after_idle - idle) / (after_passed - passed), dead, must_be_clean,
        )  # fmt: skip
        self.runs.append(made)
        print(made.line, file=sys.stderr, flush=True)
        return made

    def climb(self, what: str, rates: Sequence[int], seconds: int) -> int:
        """Highest rate without a lost call or a retransmission; each that is not gets a second
        chance, because other work on the machine disturbs single runs. 0 when none was clean."""
        best = 0
        for rate in sorted(rates):
            if not any(self.run(what, rate, seconds, SHORT, linger=False).clean for _ in range(2)):
                break
            best = rate
        return best

    def check_records(self) -> None:
        """Every call that was answered has left one record in the database."""
        assert self.service is not None
        deadline = time.monotonic() + 40
        while self.service.records() < self.answered and time.monotonic() < deadline:
            time.sleep(1)
        print(f"records: {self.service.records()} of {self.answered} calls", file=sys.stderr)

    def _memory(self) -> dict[str, Callable[[], float]]:
        read: dict[str, Callable[[], float]] = {
            name: partial(meter.shared_mb, node.rpc) for name, node in self.kamailios.items()
        }
        for name, pid in self.groups.items():
            if name not in read:
                read[name] = partial(meter.resident_mb, pid)
        return read

    def _probes(self) -> dict[str, Callable[[], float]]:
        """The number of routers that each SBC considers alive, in the sets that it probes."""
        if self.service is None:
            return {}
        return {
            name: lambda node=self.plane.nodes[name]: float(  # type: ignore[misc]
                node.rpc("dispatcher.list").count("FLAGS: AP")
            )
            for name in SBCS
        }


def _sessions(nodes: Sequence[Node]) -> dict[str, int]:
    return {node.name: node.process.pid for node in nodes if node.process is not None}


if __name__ == "__main__":
    sys.exit(main())
