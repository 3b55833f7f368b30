"""Results of the SIP plane's benchmark, as Markdown."""

from __future__ import annotations

import os
import platform
import textwrap
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from testbed.load.sipp import Outcome, quantile

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
BY_HAND = "## What limits it\n"  # from here on
WIDTH = 120  # characters of a line of the page, but for tables


@dataclass(frozen=True)
class Run:
    """One run and its costs."""

    what: str
    rate: int  # offered calls per second
    seconds: int
    talk_s: float  # mean length of a call
    outcome: Outcome
    cpu: Mapping[str, float]  # processor seconds by group of processes
    memory: Mapping[str, Sequence[float]]  # MiB, samples of the run and the seconds after it
    busy: float  # share of the machine's processors in use, by all its programs
    dead: int  # samples in which an SBC considered a router dead
    must_be_clean: bool

    @property
    def lost(self) -> int:
        return self.outcome.failed + self.outcome.refused

    @property
    def clean(self) -> bool:
        return not self.lost and not self.outcome.retransmissions

    def ms_per_call(self, name: str) -> float:
        """Milliseconds of processor time of one group per call offered."""
        return 1000 * self.cpu.get(name, 0.0) / max(1, self.outcome.calls)

    @property
    def others(self) -> float:
        """Share of the machine that neither the plane nor the generator used."""
        own = sum(self.cpu.values()) + self.outcome.cpu_s
        return max(0.0, self.busy - own / (self.outcome.seconds * (os.cpu_count() or 1)))

    @property
    def total_ms(self) -> float:
        return sum(self.ms_per_call(name) for name in self.cpu)

    @property
    def line(self) -> str:
        o = self.outcome
        return (
            f"{self.what}: {self.rate}/s, {o.calls} calls, {o.failed} failed, {o.refused} refused, "
            f"{o.retransmissions} retransmissions, setup p50 {quantile(o.setup_ms, 0.5):.0f} p99 "
            f"{quantile(o.setup_ms, 0.99):.0f} ms, {self.total_ms:.2f} ms of CPU per call, "
            f"machine {self.busy:.0%} busy ({self.others:.0%} with other work), "
            f"routers considered dead {self.dead} times"
        )


def text(runs: Sequence[Run], load: float) -> str:
    """The page; `load` is the machine's load average before the start."""
    parts = [
        "# Performance of the SIP plane",
        _paragraph(
            "Written by `python -m bench.kamailio --write` on "
            f"{time.strftime('%Y-%m-%d %H:%M')} UTC: {os.cpu_count()} cores ({_processor()}), "
            f"Linux {platform.release()}. Both SBCs, both routers, two rtpengine, two "
            "router-confd, PostgreSQL and the two SIPp share these cores; the figures of a node on "
            "a machine of its own follow from its CPU per call. The load average of other work "
            f"before the start was {load:.1f}."
        ),
        _head(runs),
        "## Every run",
        _table(
            ["run", "calls/s", "calls", "failed", "refused", "retrans.", "setup p50 / p99 ms",
             "CPU ms/call", "machine busy", "other work", "routers dead"],
            [
                [r.what, r.rate, r.outcome.calls, r.outcome.failed, r.outcome.refused,
                 r.outcome.retransmissions,
                 f"{quantile(r.outcome.setup_ms, 0.5):.0f} / "
                 f"{quantile(r.outcome.setup_ms, 0.99):.0f}",
                 f"{r.total_ms:.2f}", f"{r.busy:.0%}", f"{r.others:.0%}",
                 r.dead]
                for r in runs
            ],
        ),
    ]  # fmt: skip
    compared = [r for r in runs if r.what.endswith("compared")]
    if compared:
        parts += ["## CPU and memory per call", *(_costs(run) for run in compared)]
    long = [r for r in runs if r.what in ("sustained", "mixed lengths")]
    if long:
        parts += ["## Memory over the long runs", *(_memory(run) for run in long)]
    return "\n\n".join(part for part in parts if part) + "\n"


def write(page: str) -> None:
    """Replace the measured part of the page; the part that people wrote stays."""
    _, mark, by_hand = PAGE.read_text().partition(BY_HAND)
    PAGE.write_text(page + "\n" + mark + by_hand if mark else page)


def best(runs: Sequence[Run], what: str) -> Run | None:
    """The clean run with the highest rate."""
    clean = [r for r in runs if r.what == what and r.clean]
    return max(clean, key=lambda r: r.rate, default=None)


def _head(runs: Sequence[Run]) -> str:
    plane, bare = best(runs, "capacity"), best(runs, "bare: capacity")
    lines = _comparison(runs, plane, bare)
    for name, what, run in (
        ("SIP plane", "capacity", plane),
        ("Bare two-hop proxy (no dialogs, lookups, media, checks)", "bare: capacity", bare),
    ):
        if run:
            lines += _capacity(name, run, [r for r in runs if r.what == what])
    return "\n".join(lines)


def _comparison(runs: Sequence[Run], plane: Run | None, bare: Run | None) -> list[str]:
    """The headline: capacity and cost of the plane, compared with a bare proxy."""
    lines = []
    if plane and bare:
        share = f"**{plane.rate / bare.rate:.0%}**"
        rates = f"({plane.rate} and {bare.rate} calls/s)"
        if _last(runs, "capacity", plane):
            text = (
                f"The SIP plane carries at least {plane.rate} calls/s. No rate was high enough to "
                "find its limit, so it is not compared with the bare proxy."
            )
        elif _last(runs, "bare: capacity", bare):
            text = (
                f"The SIP plane carries at most {share} of the calls per second that a bare proxy "
                f"carries {rates}: the bare proxy had not reached its limit."
            )
        else:
            text = (
                f"The SIP plane carries {share} of the calls per second that a bare proxy carries "
                f"{rates}."
            )
        lines.append(_item(text))
    compared = {r.what: r for r in runs if r.what.endswith("compared")}
    if len(compared) == 2:
        ours, theirs = compared["compared"], compared["bare: compared"]
        lines.append(
            _item(
                f"At {ours.rate} calls/s, a call of the SIP plane costs "
                f"**{ours.total_ms / theirs.total_ms:.1f} times** the CPU that it costs the bare "
                f"proxy: {ours.total_ms:.2f} ms and {theirs.total_ms:.2f} ms."
            )
        )
    return lines


def _last(runs: Sequence[Run], what: str, found: Run) -> bool:
    """True when no higher rate was tried."""
    return found.rate == max(r.rate for r in runs if r.what == what)


def _capacity(name: str, found: Run, tried: Sequence[Run]) -> list[str]:
    shares = sorted(found.cpu.items(), key=lambda item: -item[1])
    spent = ", ".join(f"{n} {s / found.outcome.seconds:.0%}" for n, s in shares if s > 0.1)
    text = (
        f"{name}: **{found.rate} calls/s** without a failed call or a retransmission "
        f"({found.outcome.calls} calls in {found.seconds} s), {found.total_ms:.2f} ms of CPU per "
        f"call. The machine was {found.busy:.0%} busy, {found.others:.0%} with other work. Of one "
        f"core used {spent}, the load generator {found.outcome.cpu_s / found.outcome.seconds:.0%}."
    )
    above = [r for r in tried if r.rate > found.rate]
    lines = [_item(text if above else f"{text} No higher rate was tried: this is a lower bound.")]
    for r in above:
        lines.append(
            _item(
                f"At {r.rate}/s: {r.outcome.failed} failed, {r.outcome.refused} refused, "
                f"{r.outcome.retransmissions} retransmissions of {r.outcome.calls} calls, machine "
                f"{r.busy:.0%} busy, {r.others:.0%} with other work.",
                indent="  ",
            )
        )
    return lines


def _costs(run: Run) -> str:
    up = run.rate * run.talk_s
    rows: list[list[object]] = []
    for name in run.cpu:
        samples = run.memory.get(name, [])
        per_call = f"{1024 * (max(samples) - samples[0]) / up:.1f}" if samples else ""
        rows.append([name, f"{run.ms_per_call(name):.2f}", per_call])
    rows.append(["together", f"{run.total_ms:.2f}", ""])
    rows.append(["generator", f"{1000 * run.outcome.cpu_s / run.outcome.calls:.2f}", ""])
    return (
        f"`{run.what}`: {run.rate} calls/s of {run.talk_s:.0f} s on average, so {up:.0f} calls at "
        "a time.\n\n"
        + _table(["who", "CPU ms per call", "memory above idle, KiB per call in progress"], rows)
    )


def _memory(run: Run) -> str:
    rows: list[list[object]] = []
    for name, samples in run.memory.items():
        quarter = max(1, len(samples) // 4)
        steady = samples[quarter // 2 :]
        begin, end = steady[:quarter], steady[-2 * quarter : -quarter] or steady
        rows.append([
            name, f"{samples[0]:.0f}", f"{sum(begin) / len(begin):.0f}",
            f"{sum(end) / len(end):.0f}", f"{max(samples):.0f}", f"{samples[-1]:.0f}",
        ])  # fmt: skip
    return (
        f"`{run.what}`: {run.rate} calls/s for {run.seconds / 60:.0f} min. MiB of shared memory in "
        "use (Kamailio) or resident memory (others).\n\n"
        + _table(["who", "before", "early", "late", "highest", "after"], rows)
    )


def _paragraph(text: str) -> str:
    return textwrap.fill(text, WIDTH, break_long_words=False, break_on_hyphens=False)


def _item(text: str, indent: str = "") -> str:
    return textwrap.fill(
        text, WIDTH, initial_indent=f"{indent}- ", subsequent_indent=f"{indent}  ",
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
