"""The tables that the demo prints at its end."""

from __future__ import annotations

import statistics
from collections import Counter
from dataclasses import dataclass, field

from rich.console import Console, Group
from rich.panel import Panel
from rich.table import Table

from demo.calls import Round
from demo.cluster import Health, LocalDeployment
from demo.fault import Failover
from demo.voice import Voice
from lab.aws.iam.judged import Judged


@dataclass
class TenantReport:
    """The results of the calls through one tenant."""

    tenant: str
    rounds: list[Round] = field(default_factory=list)
    voice: Voice | None = None
    failover: Failover | None = None
    records: Counter[str] | None = None  # number of call records by Call-ID; None: not counted

    @property
    def all_rounds(self) -> list[Round]:
        rounds = list(self.rounds)
        if self.voice:
            rounds.append(self.voice.round)
        if self.failover:
            rounds += [self.failover.long_call, self.failover.during, self.failover.after]
        return rounds

    @property
    def ok(self) -> bool:
        return (
            all(round.ok for round in self.all_rounds)
            and (self.voice is None or self.voice.ok)
            and (self.failover is None or self.failover.ok)
            and self.records_ok
        )

    def recorded(self, round: Round) -> int:
        """Call records of a round."""
        return sum(self.records[call_id] for call_id in round.call_ids) if self.records else 0

    @property
    def records_ok(self) -> bool:
        return all(map(self.well_recorded, self.all_rounds))

    def well_recorded(self, round: Round) -> bool:
        """Every call of the round has as many records as its kind should leave."""
        return self.records is None or all(
            self.records[call_id] == round.kind.records for call_id in round.call_ids
        )


def instances(cluster: LocalDeployment, health: Health) -> Table:
    """Every machine with its addresses and its checks in Consul."""
    table = Table(title="Instances", title_justify="left", header_style="bold")
    for name in ("role", "instance", "zone", "private", "public", "state", "Consul checks"):
        table.add_column(name, overflow="fold")
    entries = {entry.address: entry for found in health.entries.values() for entry in found}
    for machine in cluster.lab.machines():
        entry = entries.get(machine.private_ip)
        if entry is None:
            checks = "[yellow]not registered[/]"
        elif entry.healthy:
            checks = f"[green]{entry.checks} of {entry.checks} pass[/]"
        else:
            checks = f"[red]failing: {', '.join(entry.failing)}[/]"
        table.add_row(
            f"{machine.tenant or ''} {machine.role}".strip(), machine.instance_id, machine.zone,
            machine.private_ip, machine.public_ip or "-", machine.state, checks,
        )  # fmt: skip
    return table


def calls(report: TenantReport) -> Table:
    """Every round of calls: counts, setup times, attempts outside, and INVITEs per router."""
    table = Table(title=f"Calls through {report.tenant}", title_justify="left", header_style="bold")
    table.add_column("calls")
    for name in (
        "placed", "status", "failed", "repeats", "setup\nmedian", "setup\nworst",
        "call\nrecords",
    ):  # fmt: skip
        table.add_column(name, justify="right")
    table.add_column("attempts outside;\nINVITEs per router")
    for round in report.all_rounds:
        times = round.setup_ms
        table.add_row(
            round.kind.title,
            str(round.placed),
            _status(round),
            str(round.failed),
            str(sum(result.retransmissions for result in round.results)),
            f"{statistics.median(times):.0f} ms" if times else "-",
            f"{times[-1]:.0f} ms" if times else "-",
            str(report.recorded(round)) if report.records is not None else "-",
            "\n".join(part for part in (_ways(round), _routers(round)) if part) or "-",
            style="" if round.ok and report.well_recorded(round) else "red",
        )
    return table


def _status(round: Round) -> str:
    scenario = round.kind.scenario
    challenge = f"{scenario.challenge}, " if scenario.username else ""
    return f"{challenge}{scenario.expect}"


def _ways(round: Round) -> str:
    """For example "refusing 503, carrier 200"; different ways are shown with their counts."""
    ways = [(", ".join(way) or "nobody", count) for way, count in (round.ways or Counter()).items()]
    if len(ways) == 1:
        return ways[0][0]
    return "; ".join(f"{count} x {way}" for way, count in ways)


def _routers(round: Round) -> str:
    return "  ".join(f"{address} {count}" for address, count in round.routers.items())


def findings(report: TenantReport) -> list[str]:
    """Sentences about the call with voice and about the failover."""
    lines = []
    if voice := report.voice:
        lines.append(
            f"voice: the carrier received {voice.carrier.from_relays} packets and the PBX "
            f"{voice.pbx.from_relays} (about {voice.expected} sent by each), all from rtpengine "
            f"({voice.carrier.from_others + voice.pbx.from_others} from other addresses); "
            f"rtpengine counted {voice.relayed} relayed"
        )
    if failover := report.failover:
        ended = "was hung up normally (BYE, 200)" if failover.long_call.ok else "was LOST"
        lines.append(
            f"power cut of router {failover.router.instance_id} ({failover.router.private_ip}): "
            f"its call {ended}; removed from every SBC's list after {failover.unlisted_s:.1f} s; "
            f"replaced by {failover.replacement.instance_id} ({failover.replacement.private_ip}) "
            f"after {failover.replaced_s:.1f} s"
        )
    return lines


def judged(found: Judged) -> list[str]:
    """Sentences about the calls of instances to AWS's API, and each denial."""
    lines = [
        f"IAM judged {found.count} calls of {found.kinds} kinds that instances of {found.roles} "
        f"roles made to the AWS API; {found.denied} were denied"
    ]
    return lines + [f"denied {count} times: {text}" for text, count in found.denials.items()]


def further(lab_name: str, log: str) -> str:
    """Commands for a closer look."""
    option = "" if lab_name == "demo" else f" --lab {lab_name}"
    return "\n".join(
        (
            f"./c4 demo status{option}          instances and their checks, now",
            f"./c4 demo calls{option}           place more calls",
            f"./c4 demo exec{option} router -- kamcmd dlg.list    a command on a machine",
            f"./c4 demo exec{option} sbc -- kamcmd dispatcher.list",
            f"./c4 demo exec{option} consul -- consul catalog services",
            f"./c4 demo logs{option} router     its journal",
            f"{log}    everything that happened",
            "make demo-down          remove it all",
        )
    )


def show(
    console: Console,
    cluster: LocalDeployment,
    health: Health,
    reports: list[TenantReport],
    lines: list[str],
    hints: str,
) -> None:
    """Print the tables, the findings, and commands for a closer look."""
    console.print()
    console.print(instances(cluster, health))
    for report in reports:
        console.print(calls(report))
        lines = [*findings(report), *lines]
    for line in lines:
        console.print(f"• {line}", markup=False, highlight=False)
    console.print(Panel(Group(hints), title="Look further", title_align="left", expand=False))
