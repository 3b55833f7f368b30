"""Calls per second through the SIP plane, beside a bare two-hop proxy on the same machine.

    python -m bench.kamailio --rates 50 100 200 --seconds 20

Needs root, SIPp and the machine image (or C4_KAMAILIO_ROOT). Every protection is on; the routers
ask recorded answers over HTTP. CPU is that of all processes of a node, in percent of one core.
"""

from __future__ import annotations

import argparse
import csv
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.kamailio.cluster import CALLEE, CALLER, ROUTERS, SBCS, Cluster, cluster
from tests.kamailio.node import Node

TICKS = os.sysconf("SC_CLK_TCK")
HOLD_MS = 1000
MEMORY_MB = 1024  # the default of the settings
UAS = Path(__file__).with_name("sipp_uas.xml")
BARE = """#!KAMAILIO
debug=1
log_stderror=yes
children=2
auto_aliases=no
listen=udp:{address}:{port}
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "ctl.so"
loadmodule "siputils.so"
loadmodule "textops.so"
request_route {{
    if (has_totag()) {{
        if (!loose_route()) $du = "sip:{next}";
    }} else if (is_method("INVITE")) {{
        record_route();
        $du = "sip:{next}";
    }}
    if (is_method("CANCEL") && !t_check_trans()) exit;
    t_relay();
}}
"""


@dataclass(frozen=True)
class Run:
    """Outcome of one rate."""

    rate: int
    calls: int
    failed: int
    retransmissions: int
    cpu: dict[str, float]  # node -> percent of one core

    @property
    def cpu_ms_per_call(self) -> float:
        return sum(self.cpu.values()) * 10 / self.rate


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rates", type=int, nargs="+", default=[50, 100, 200], metavar="CPS")
    parser.add_argument("--seconds", type=int, default=20, help="length of each run")
    arguments = parser.parse_args(argv)
    table = Table("what", "cps", "calls", "failed", "retrans.", "CPU % by node", "CPU ms/call")
    with cluster(_layers(), memory_mb=MEMORY_MB) as plane:
        for rate in arguments.rates:
            _add(table, "SIP plane", measure(plane, list(_nodes(plane)), rate, arguments.seconds))
        with bare(plane) as nodes:
            for rate in arguments.rates:
                _add(table, "bare proxy", measure(plane, nodes, rate, arguments.seconds))
    Console(width=150).print(table)
    return 0


def _layers() -> tuple[Path, ...]:
    if chosen := os.environ.get("C4_KAMAILIO_ROOT"):
        return (Path(chosen),)
    from image import layers

    return layers.build(print).instance


def _nodes(plane: Cluster) -> Iterator[Node]:
    for name in (*SBCS, *ROUTERS):
        yield plane.nodes[name]


@contextmanager
def bare(plane: Cluster) -> Iterator[list[Node]]:
    """The same two machines with a proxy that only relays; the SIP plane's are stopped."""
    stopped = list(_nodes(plane))
    for node in stopped:
        node.kill()
    sbc, router = plane.nodes["sbc1"], plane.nodes["rtr1"]
    kept = {}
    for node, port, following in (
        (sbc, 5060, f"{router.address}:5070"),
        (router, 5070, f"{CALLEE}:5060"),
    ):
        config = node.work / "etc/kamailio/kamailio.cfg"
        kept[config] = config.read_text()
        config.write_text(BARE.format(address=node.address, port=port, next=following))
        node.start_kamailio()
    try:
        yield [sbc, router]
    finally:
        for config, text in kept.items():
            config.write_text(text)


def measure(plane: Cluster, nodes: Sequence[Node], rate: int, seconds: int) -> Run:
    """One run of SIPp through the first SBC."""
    target = next(iter(SBCS.values()))
    callee, caller = _host(plane, CALLEE), _host(plane, CALLER)
    limit = seconds + HOLD_MS / 1000 + 40
    with (
        tempfile.TemporaryDirectory() as work,
        _sipp(callee, work, ["-sf", str(UAS), "-i", CALLEE, "-p", "5060"]),
    ):
        time.sleep(0.5)
        before, start = {n.name: _cpu(n) for n in nodes}, time.monotonic()
        options = [
            "-sn", "uac", "-i", CALLER, "-p", "5060", "-d", str(HOLD_MS), "-r", str(rate),
            "-m", str(rate * seconds), "-l", "100000", "-recv_timeout", "15000",
            "-timeout", str(seconds + 30), "-trace_stat", "-stf", f"{work}/stat.csv",
            "-fd", "1", f"{target[1]}:5060",
        ]  # fmt: skip
        with _sipp(caller, work, options) as uac:
            uac.wait(limit)
        elapsed = time.monotonic() - start
        cpu = {n.name: (_cpu(n) - before[n.name]) / elapsed * 100 for n in nodes}
        text = Path(f"{work}/stat.csv").read_text()
    last = list(csv.DictReader(text.splitlines(), delimiter=";"))[-1]
    return Run(
        rate, int(last["TotalCallCreated"]), int(last["FailedCall(C)"]),
        int(last["Retransmissions(C)"]), cpu,
    )  # fmt: skip


def _host(plane: Cluster, address: str) -> str:
    for agent in plane.agents:
        agent.close()
    plane.agents.clear()
    agent = plane.ua(address)
    agent.close()
    plane.agents.remove(agent)
    return plane.namespace_of(address)


@contextmanager
def _sipp(namespace: str, work: str, arguments: Sequence[str]) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        ["ip", "netns", "exec", namespace, "sipp", *arguments, "-nostdin"],
        cwd=work, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _cpu(node: Node) -> float:
    """Seconds of CPU of all processes of the node's session."""
    assert node.process is not None
    total = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:  # ended meanwhile
            continue
        if int(fields[3]) == node.process.pid:
            total += int(fields[11]) + int(fields[12])
    return total / TICKS


def _add(table: Table, what: str, run: Run) -> None:
    cpu = " ".join(f"{name} {value:.0f}" for name, value in run.cpu.items())
    print(what, run, file=sys.stderr)
    table.add_row(
        what, str(run.rate), str(run.calls), str(run.failed), str(run.retransmissions), cpu,
        f"{run.cpu_ms_per_call:.2f}",
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
