"""SIPp as generator and answerer of calls, in namespaces of its own."""

from __future__ import annotations

import csv
import math
import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from common import ports

UAC = Path(__file__).with_name("sipp_uac.xml")
UAS = Path(__file__).with_name("sipp_uas.xml")
LINES = 10_000  # of the file of numbers; then it begins again
PATIENCE_S = 40  # for calls that are still up when no new ones come


@dataclass(frozen=True)
class Talk:
    """Seconds that a call lasts: between two bounds, evenly."""

    shortest: float
    longest: float

    @property
    def mean(self) -> float:
        return (self.shortest + self.longest) / 2


@dataclass(frozen=True)
class Outcome:
    """What SIPp counted."""

    calls: int
    refused: int  # 503 with Retry-After
    failed: int  # anything else but a call from INVITE to BYE
    retransmissions: int  # of either side
    setup_ms: Sequence[float]  # INVITE to 200 or 503, sorted
    seconds: float
    cpu_s: float  # of both SIPp processes


def quantile(ordered: Sequence[float], share: float) -> float:
    """The value below which that share of them lies; not a number when there are none."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else math.nan


@contextmanager
def answering(namespace: str, address: str, work: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The callee; its counters are in `uas.csv`."""
    arguments = ["-sf", str(UAS), "-i", address, "-p", str(ports.SIP_DEFAULT)]
    with _sipp(namespace, work, "uas", arguments) as process:
        time.sleep(0.5)
        yield process


def call(
    namespaces: tuple[str, str], addresses: tuple[str, str], target: str, numbers: Sequence[str],
    rate: int, seconds: int, talk: Talk,
) -> Outcome:  # fmt: skip
    """Place `rate` calls per second for `seconds` from the first host to the second, through
    `target` (ADDRESS:PORT); returns when the last has ended."""
    with TemporaryDirectory(dir="/var/tmp") as directory:
        work = Path(directory)
        _write_numbers(work / "numbers.csv", numbers, talk)
        options = [
            "-sf", str(UAC), "-inf", str(work / "numbers.csv"), "-i", addresses[0],
            "-p", str(ports.SIP_DEFAULT),
            "-r", str(rate), "-m", str(rate * seconds), "-l", "15000",
            "-recv_timeout", "15000", "-timeout", str(int(seconds + talk.longest + PATIENCE_S)),
            "-trace_rtt", "-rtt_freq", "1", target,
        ]  # fmt: skip
        started = time.monotonic()
        with answering(namespaces[1], addresses[1], work) as uas:
            with _sipp(namespaces[0], work, "uac", options) as uac:
                used = _wait(uac, seconds + talk.longest + PATIENCE_S + 20)
            elapsed = time.monotonic() - started
            used += _cpu(uas)
            time.sleep(1.2)  # until its counters are written
        mine, theirs = _last(work / "uac.csv"), _last(work / "uas.csv")
        times = sorted(_times(work))
    refused = int(mine["refused(C)"])
    return Outcome(
        int(mine["TotalCallCreated"]), refused, int(mine["FailedCall(C)"]),
        int(mine["Retransmissions(C)"]) + int(theirs["Retransmissions(C)"]),
        times, elapsed, used,
    )  # fmt: skip


def _write_numbers(path: Path, numbers: Sequence[str], talk: Talk) -> None:
    chosen = random.Random(1)  # the same calls in every run
    lines = ["SEQUENTIAL"]
    for _ in range(LINES):
        talked = 1000 * chosen.uniform(talk.shortest, talk.longest)
        lines.append(f"{chosen.choice(numbers)};{talked:.0f}")
    path.write_text("\n".join(lines) + "\n")


@contextmanager
def _sipp(
    namespace: str, work: Path, name: str, arguments: Sequence[str]
) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        ["ip", "netns", "exec", namespace, "sipp", *arguments, "-nostdin", "-trace_stat",
         "-stf", str(work / f"{name}.csv"), "-fd", "1", "-buff_size", "4194304",
         # A 180 that the 200 has overtaken is no failure; what is refused times out.
         "-default_behaviors", "all,-abortunexp"],
        cwd=work, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            process.wait()


def _wait(process: subprocess.Popen[bytes], limit: float) -> float:
    """Processor seconds of the process, which must end within the limit."""
    deadline = time.monotonic() + limit
    while True:
        ended, status, usage = os.wait4(process.pid, os.WNOHANG)
        if ended:
            process.returncode = os.waitstatus_to_exitcode(status)
            return usage.ru_utime + usage.ru_stime
        if time.monotonic() > deadline:
            process.send_signal(signal.SIGKILL)
            raise RuntimeError(f"SIPp did not end within {limit:.0f} s")
        time.sleep(0.1)


def _cpu(process: subprocess.Popen[bytes]) -> float:
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _last(path: Path) -> dict[str, str]:
    """Newest row of SIPp's counters."""
    return list(csv.DictReader(path.read_text().splitlines(), delimiter=";"))[-1]


def _times(work: Path) -> Iterator[float]:
    for path in work.glob("*_rtt.csv"):
        for line in path.read_text().splitlines()[1:]:
            yield float(line.split(";")[1])
