"""Two trees, or two builds of Kamailio, under the same calls: the ratio of their CPU per call.

In each pair of rounds both sides start a plane of their own, one after the other, and carry the
same calls. The side that begins alternates, so that a machine that becomes slower or faster hits
both alike. New planes in every round matter too: some starts of the same programs are dearer than
others, and an interval from a single start would not know that.
"""

from __future__ import annotations

import json
import os
import re
import selectors
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from bench.ratio import Ratio, paired_ratio
from bench.trees import ROOT, unhurried
from host.command_error import BAD_INPUT, CommandError
from host.errors import HostError
from testbed.load import meter
from testbed.load.sipp import Talk, call

SERVER = Path("bench/plane_server.py")
# A file that tells the age of a tree without a server of its own, and the server for such a tree.
OLDER = (
    (Path("testbed/sip/plane.py"), ROOT / SERVER),
    (Path("bench/bare.py"), ROOT / "bench/plane_server_0_1.py"),
)
TALK = Talk(1, 1)
WARM_UP = 20, 5  # calls per second, seconds
START_S = 300  # limit; a busy machine takes long
STOP_S = 60
LINGER_S = 6  # until records are stored and transactions forgotten: they are part of a call's cost
ALL = "together"


class NotStarted(HostError):
    """A plane did not start."""


@dataclass(frozen=True)
class Side:
    """One of the two that are compared."""

    name: str
    tree: Path
    layers: tuple[Path, ...]  # of the image, topmost first

    @property
    def server(self) -> Path:
        """The program that serves the tree's plane. Raises `CommandError` when there is none."""
        if (self.tree / SERVER).exists():
            return self.tree / SERVER
        for sign, server in OLDER:
            if (self.tree / sign).exists():
                return server
        signs = " nor ".join(map(str, [SERVER, *(sign for sign, _ in OLDER)]))
        raise CommandError(
            f"{self.name} is too old to be compared: it has neither {signs}",
            "the oldest trees that can be are those of late November 2026 (version 0.1)",
            BAD_INPUT,
        )


@dataclass(frozen=True)
class Load:
    """The calls of a round."""

    rate: int  # calls per second
    seconds: int


@dataclass(frozen=True)
class Round:
    """What a side's calls cost in one round."""

    cpu_ms: Mapping[str, float]  # per call, by kind of program
    calls: int
    lost: int  # refused or failed
    retransmissions: int


@contextmanager
def served(side: Side) -> Iterator[dict[str, Any]]:
    """The side's plane, as `bench/plane_server.py` describes it. Raises `NotStarted`."""
    paths = [str(side.tree), str(side.tree / "constructs")]
    command = [sys.executable, "-P", str(side.server), ":".join(map(str, side.layers))]
    with tempfile.TemporaryFile("w+", errors="replace") as log:
        process = subprocess.Popen(
            command, cwd=side.tree, env=os.environ | {"PYTHONPATH": ":".join(paths)},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True,
            start_new_session=True,  # Ctrl-C reaches this process only, which ends the other
        )  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            line = _first_line(process)
            if line:
                yield json.loads(line)
        except BaseException:
            process.terminate()  # it may still be starting, and read nothing
            raise
        finally:
            with unhurried():
                process.stdin.close()
                try:
                    process.wait(STOP_S)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
                process.stdout.close()
        if not line:
            log.seek(0)
            end = "\n".join(log.read().strip().splitlines()[-8:])
            raise NotStarted(f"{side.name}: its SIP plane did not start:\n{end}")


def _first_line(process: subprocess.Popen[str]) -> str:
    """What the server says when it is ready; empty when it has ended or takes too long."""
    assert process.stdout is not None
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        if not selector.select(START_S):
            return ""
    return process.stdout.readline()


def play(side: Side, load: Load) -> Round:
    """Start the side's plane, place the calls, stop it again."""
    with served(side) as plane:
        caller, callee = plane["namespaces"]
        addresses = tuple(plane["addresses"])

        def place(rate: int, seconds: int) -> Any:
            return call(
                (caller, callee), addresses, plane["target"], plane["numbers"], rate, seconds, TALK
            )

        place(*WARM_UP)
        sessions: dict[str, int] = plane["sessions"]
        before = {name: meter.processor_s(pid) for name, pid in sessions.items()}
        outcome = place(load.rate, load.seconds)
        time.sleep(LINGER_S)
        used = {name: meter.processor_s(pid) - before[name] for name, pid in sessions.items()}
    return Round(
        by_kind({name: 1000 * s / max(1, outcome.calls) for name, s in used.items()}),
        outcome.calls, outcome.refused + outcome.failed, outcome.retransmissions,
    )  # fmt: skip


def by_kind(cpu: Mapping[str, float]) -> dict[str, float]:
    """Sums of sbc1 and sbc2, rtr1 and rtr2, and so on, and of all."""
    sums: dict[str, float] = {}
    for name, value in cpu.items():
        kind = re.sub(r"\d+$", "", name)
        sums[kind] = sums.get(kind, 0.0) + value
    return sums | {ALL: sum(cpu.values())}


def rounds(sides: tuple[Side, Side], pairs: int, load: Load) -> list[tuple[Round, Round]]:
    """The rounds of both sides, in pairs; a pair with a lost call is played again.

    So is one whose plane does not start, unless none has started yet. Raises `HostError` when that
    happens to more pairs than are wanted.
    """
    played: list[tuple[Round, Round]] = []
    spoiled = 0
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("pairs"),
        TimeElapsedColumn(), TextColumn("{task.fields[last]}"),
    )  # fmt: skip
    console = Console(stderr=True)
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("", total=pairs, last="")
        while len(played) < pairs:
            order = (0, 1) if len(played) % 2 == 0 else (1, 0)
            results: dict[int, Round] = {}
            try:
                for which in order:
                    progress.update(task, description=sides[which].name)
                    results[which] = play(sides[which], load)
            except NotStarted:
                if not played:
                    raise
                spoiled += 1
                said = f"{sides[which].name} did not start: again"
            else:
                pair = results[0], results[1]
                said = " / ".join(f"{r.cpu_ms[ALL]:.2f}" for r in pair) + " ms of CPU per call"
                if any(r.lost for r in pair):
                    spoiled += 1
                    said += f"; {pair[0].lost} / {pair[1].lost} calls lost: again"
                else:
                    played.append(pair)
            progress.update(task, completed=len(played), last=said)
            if not console.is_terminal:
                progress.console.print(f"{len(played)} of {pairs}: {said}", highlight=False)
            if spoiled > pairs:
                raise HostError(
                    f"{spoiled} pairs were spoiled at {load.rate} calls/s, the last one: {said}",
                    "the machine is too busy, or too slow: try a lower --rate",
                )
    return played


def ratios(played: Sequence[tuple[Round, Round]]) -> dict[str, Ratio | None]:
    """Of the first side to the second, by kind; None for what cost nothing in some round."""
    made: dict[str, Ratio | None] = {}
    for kind in played[0][0].cpu_ms:
        first, second = (
            [r.cpu_ms.get(kind, 0.0) for r in side] for side in zip(*played, strict=True)
        )
        positive = min(*first, *second) > 0
        made[kind] = paired_ratio(first, second) if positive else None
    return made


def table(sides: tuple[Side, Side], played: Sequence[tuple[Round, Round]]) -> Table:
    """A row for each kind of program."""
    made = Table(title="CPU per call, ms (means)", title_justify="left")
    made.add_column("who")
    for heading in (sides[0].name, sides[1].name, "ratio", "95 % interval"):
        made.add_column(heading, justify="right")
    for kind, ratio in ratios(played).items():
        means = [
            sum(r.cpu_ms.get(kind, 0.0) for r in side) / len(played)
            for side in zip(*played, strict=True)
        ]
        made.add_row(
            kind, *(f"{mean:.3f}" for mean in means),
            f"{ratio.value:.3f}" if ratio else "-",
            f"{ratio.low:.3f} to {ratio.high:.3f}" if ratio else "-",
            style="bold" if kind == ALL else "",
        )  # fmt: skip
    return made


def verdict(sides: tuple[Side, Side], ratio: Ratio) -> str:
    """The result in a sentence."""
    meaning = "no difference is proven"
    if ratio.proven:
        word = "cheaper" if ratio.value < 1 else "dearer"
        meaning = f"{sides[0].name} is {word}"
    return (
        f"A call through {sides[0].name} costs {ratio.value:.3f} times the CPU of one through "
        f"{sides[1].name} (95 % interval {ratio.low:.3f} to {ratio.high:.3f}): {meaning}."
    )


def compare(sides: tuple[Side, Side], pairs: int, load: Load, console: Console) -> None:
    """Play the rounds and print the result."""
    for side in sides:
        _ = side.server  # a tree that is too old is found before the first round
    busy = os.getloadavg()[0]
    played = rounds(sides, pairs, load)
    console.print(table(sides, played))
    repeats = [sum(r.retransmissions for r in side) for side in zip(*played, strict=True)]
    calls = sum(r.calls for pair in played for r in pair) // (2 * pairs)
    console.print(
        f"{pairs} pairs of rounds, {calls} calls at {load.rate}/s in each; none was lost; "
        f"{repeats[0]} and {repeats[1]} retransmissions; load average before the start {busy:.1f}.",
        highlight=False, soft_wrap=True,
    )  # fmt: skip
    ratio = ratios(played)[ALL]
    if ratio is None:
        raise HostError("a round cost no CPU at all", "the rounds are too short: raise --seconds")
    console.print(verdict(sides, ratio), highlight=False, soft_wrap=True, style="bold")
