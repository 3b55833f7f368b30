"""Calls per second through the SIP plane, beside a bare two-hop proxy on the same machine.

    bench/kamailio                       about 10 minutes: capacity of both, overload
    bench/kamailio --minutes 10          the same, and ten minutes at the rate found
    bench/kamailio --only mixed --rate 100 --minutes 60     memory over an hour

Or two of them under the same calls, and the ratio of their CPU per call (about 16 minutes):

    bench/kamailio --against main~5
        this tree and another revision, each with its own templates, agent and router-confd, on the
        same Kamailio
    bench/kamailio --against-root DIRECTORY[:DIRECTORY...]
        the same tree on the machine image and on another Kamailio and rtpengine: the root of a
        Debian 13, or its layers, topmost first

Ten pairs of rounds at least, new planes in each, the first side and the second in turn. A ratio
below 1 says that this tree, or the machine image's Kamailio, is cheaper. Its 95 % interval tells a
difference from noise. The sides need no other preparation, and nothing is left of the revision.

It needs root, SIPp, the PostgreSQL server and the machine image, in whose place C4_KAMAILIO_ROOT
names other layers. Every protection is on, media goes through rtpengine, and the routers use two
real router-confd with a real database. The exit status is 1 when a call failed in a run that must
be clean, 2 when an argument is wrong.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial

from bench import report, trees
from bench.bare import bare_proxy
from bench.compare import Load, Side, compare
from bench.plane_server import MEMORY_MB, NUMBERS, measured_settings, sessions
from bench.ratio import FEWEST_PAIRS
from bench.report import Run
from bench.router_confd_instances import RealRouterConfd, real_router_confd
from cli import interrupt
from cli.version import revision
from common import ports
from host.command_error import FAILED, INTERRUPTED, CommandError
from host.errors import HostError
from host.progress import wide_console
from testbed.image_layers import chosen_layers, image_layers
from testbed.load import meter
from testbed.load.hugepages import as_on_the_image
from testbed.load.sipp import Talk, call
from testbed.sip.addresses import CALLEE, CALLER, ROUTERS, RTPS, SBCS
from testbed.sip.node import Node
from testbed.sip.plane import Cluster, cluster

RATES = [100, 150, 200, 250, 300, 350, 400, 450, 500, 600, 700, 800, 1000, 1250, 1500, 2000]
SHORT, MIXED = Talk(1, 1), Talk(1, 15)
COMPARED_CPS = 100  # rate of the two runs whose costs per call are compared
LINGER_S = 12  # tm and dialog keep ended transactions and dialogs for some seconds
STEPS = ("compare", "capacity", "overload", "sustained", "mixed", "bare")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; its exit status. An error that a user can cause has no traceback."""
    interrupt.install()
    parser = _parser()
    arguments = parser.parse_args(argv)
    if os.geteuid() != 0:
        parser.error("needs root: it makes network namespaces and mounts")
    try:
        if arguments.against or arguments.against_root:
            return _compare(arguments)
        return _measure(arguments)
    except CommandError as error:
        print(f"bench/kamailio: {error.message}\n  hint: {error.hint}", file=sys.stderr)
        return error.status
    except HostError as error:
        print(f"bench/kamailio: {error}", file=sys.stderr)
        return FAILED
    except interrupt.Interrupted:
        print("bench/kamailio: interrupted; nothing is left behind", file=sys.stderr)
        return INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="bench/kamailio", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rates", type=int, nargs="+", default=RATES, metavar="CPS",
                        help="rates to try, lowest first, until one is not clean")  # fmt: skip
    parser.add_argument("--seconds", type=_natural, default=15,
                        help="length of each try, and of each round of a comparison")  # fmt: skip
    parser.add_argument("--minutes", type=float, default=0, help="length of the long run")
    parser.add_argument("--rate", type=int, default=0, metavar="CPS",
                        help="of the long runs (the default is what was found),\n"
                             f"or of a comparison (the default is {COMPARED_CPS})")  # fmt: skip
    parser.add_argument("--only", nargs="+", choices=STEPS, help="the default is all but `mixed`")
    parser.add_argument("--write", action="store_true", help="write docs/performance.md")
    parser.add_argument("--against", metavar="REV",
                        help="compare this tree with a commit, branch or tag")  # fmt: skip
    parser.add_argument("--against-root", metavar="DIRECTORY[:DIRECTORY...]",
                        help="compare with the Kamailio and rtpengine of this file system;\n"
                             "with --against, the other side has both")  # fmt: skip
    parser.add_argument("--rounds", type=_pairs, default=FEWEST_PAIRS, metavar="PAIRS",
                        help="pairs of rounds of a comparison; ten at least")  # fmt: skip
    return parser


def _natural(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not positive")
    return number


def _pairs(text: str) -> int:
    number = int(text)
    if number < FEWEST_PAIRS:
        raise argparse.ArgumentTypeError(f"{text} pairs prove nothing; {FEWEST_PAIRS} at least")
    return number


def _compare(arguments: argparse.Namespace) -> int:
    """Compare this tree on the image with what the arguments name."""
    root = arguments.against_root
    commit = trees.commit_of(arguments.against) if arguments.against else ""
    other_layers = chosen_layers(root, "--against-root") if root else ()
    layers = image_layers()
    ours = f"this tree ({revision() or 'no revision'})" if commit else "the machine image"
    theirs = [f"{arguments.against} ({commit[:7]})"] if commit else []
    theirs += [root] if root else []
    with (
        as_on_the_image(),
        trees.checked_out(commit) if commit else nullcontext(trees.ROOT) as tree,
    ):
        sides = (
            Side(ours, trees.ROOT, layers),
            Side(" on ".join(theirs), tree, other_layers or layers),
        )
        load = Load(arguments.rate or COMPARED_CPS, arguments.seconds)
        compare(sides, arguments.rounds, load, wide_console())
    return 0


def _measure(arguments: argparse.Namespace) -> int:
    """Measure this tree alone."""
    steps = arguments.only or [s for s in STEPS if s != "mixed"]
    if arguments.minutes <= 0:
        steps = [s for s in steps if s not in ("sustained", "mixed")]
    runs: list[Run] = []
    busy = os.getloadavg()[0]
    with (
        as_on_the_image(),
        cluster(image_layers(), measured_settings(), memory_mb=MEMORY_MB) as plane,
    ):
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
        self.groups = dict(sessions([*self.kamailios.values()]))
        if service is not None:
            self.groups |= sessions([plane.nodes[name] for name in RTPS]) | service.sessions
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


if __name__ == "__main__":
    sys.exit(main())
