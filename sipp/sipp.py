"""SIPp processes on the hosts of the local cloud's internet side, and what they measured."""

from __future__ import annotations

import csv
import statistics
import subprocess
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from common import ports
from sipp.host import SippHost
from sipp.scenarios import Callee, Caller

VOICE_SECONDS = 2
EXIT_ALL_CALLS_OK = 0


@dataclass(frozen=True)
class Result:
    """Measurements of one SIPp run. Times are milliseconds from INVITE to its first ringing."""

    name: str
    placed: int
    answered: int
    failed: int
    retransmissions: int
    setup_ms: tuple[float, ...]
    hangup_ms: tuple[float, ...]
    folder: Path
    suffix: str = ""  # of the Call-IDs; each begins with the number of the call

    @property
    def call_ids(self) -> tuple[str, ...]:
        return tuple(f"{number}{self.suffix}" for number in range(1, self.placed + 1))

    @property
    def ok(self) -> bool:
        return self.failed == 0 and self.answered == self.placed

    def percentile(self, percent: int) -> float | None:
        """Setup time that `percent` of the calls did not exceed, ms."""
        if not self.setup_ms:
            return None
        if len(self.setup_ms) == 1:
            return self.setup_ms[0]
        return statistics.quantiles(self.setup_ms, n=100, method="inclusive")[percent - 1]


class Sipp:
    """One SIPp process; leaving the block ends it. Its files stay in `folder`."""

    def __init__(
        self,
        host: SippHost,
        folder: Path,
        scenario: Caller | Callee,
        arguments: Sequence[str],
        *,
        port: int,
    ) -> None:
        self.host, self.folder, self.scenario = host, folder, scenario
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob("*"):
            old.unlink()
        (folder / "scenario.xml").write_text(scenario.text(), encoding="utf-8")
        if scenario.media:
            # Any byte is a valid A-law sample. This is a sawtooth with 8000 samples a second.
            (folder / "voice.alaw").write_bytes(
                bytes(range(0, 256, 2)) * (VOICE_SECONDS * 8000 // 128)
            )
        self._suffix = f"-{uuid.uuid4().hex[:12]}@{host.address}"
        self._output = (folder / "output.log").open("w", encoding="utf-8")
        self._command = [
            "sipp", "-nostdin", "-sf", "scenario.xml",
            "-i", host.address, "-mi", host.address, "-bind_local", "-p", str(port),
            "-trace_err", "-error_file", "errors.log",
            "-trace_msg", "-message_file", "messages.log",
            "-trace_stat", "-stf", "statistics.csv", "-fd", "1",
            "-trace_rtt", "-rtt_freq", "1", "-cid_str", f"%u{self._suffix}",
            # A busy machine must not make it give up.
            "-watchdog_major_maxtriggers", "1000000", "-watchdog_minor_maxtriggers", "1000000",
            *arguments,
        ]  # fmt: skip
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        self._process = self.host.popen(
            self._command,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=subprocess.STDOUT,
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        process = self._process
        if process and process.poll() is None:
            process.terminate()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._output.close()

    @property
    def call_id(self) -> str:
        """Call-ID of the process's first call."""
        return f"1{self._suffix}"

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def wait(self, timeout: float) -> Result:
        """Wait until SIPp ends by itself. Raises `subprocess.TimeoutExpired`."""
        assert self._process is not None
        self._process.wait(timeout)
        return self.result()

    def result(self) -> Result:
        """The current statistics, which SIPp writes every second and at its end."""
        row: dict[str, str] = {}
        path = self.folder / "statistics.csv"
        if path.exists():
            with path.open(encoding="utf-8", newline="") as lines:
                for row in csv.DictReader(lines, delimiter=";"):  # noqa: B007
                    pass
        answered = int(row.get("SuccessfulCall(C)") or 0)
        failed = int(row.get("FailedCall(C)") or 0)
        placed = int(row.get("TotalCallCreated") or 0)
        code = self._process.poll() if self._process else None
        if code not in (None, EXIT_ALL_CALLS_OK) and not failed:
            failed = max(1, placed - answered)
        setup, hangup = self._times()
        return Result(
            name=self.folder.name,
            placed=placed,
            answered=answered,
            failed=failed,
            retransmissions=int(row.get("Retransmissions(C)") or 0),
            setup_ms=setup,
            hangup_ms=hangup,
            folder=self.folder,
            suffix=self._suffix,
        )

    def _times(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        times: dict[str, list[float]] = {"1": [], "2": []}
        for path in self.folder.glob("scenario_*_rtt.csv"):
            for line in path.read_text(encoding="utf-8").splitlines()[1:]:
                fields = line.split(";")
                if len(fields) >= 3 and fields[2].strip() in times:
                    times[fields[2].strip()].append(float(fields[1]))
        return tuple(times["1"]), tuple(times["2"])


def callee(
    host: SippHost, folder: Path, scenario: Callee, *, port: int = ports.SIP_DEFAULT
) -> Sipp:
    """A PBX or carrier that answers calls until its block is left."""
    return Sipp(host, folder, scenario, ["-aa"], port=port)


def caller(
    host: SippHost,
    folder: Path,
    scenario: Caller,
    *,
    to: str,
    number: str,
    domain: str = "",
    calls: int = 1,
    rate: float = 5,
    port: int = 5080,
    caller_number: str = "39021234567",
    timeout_s: int = 60,
    receive_ms: int | None = None,
    reordering: bool = False,
) -> Sipp:
    """`calls` calls, `rate` per second, to `sip:<number>@<domain>` through the SBC address `to`.

    `domain` defaults to the SBC's address. A call fails when it receives nothing for `receive_ms`,
    by default 12 s; that must be longer than the ringing. With `reordering` a 180 may arrive after
    the 200 (UDP, a busy machine); then a refused call fails by its timeout only.
    """
    arguments = [
        f"{to}:{ports.SIP_DEFAULT}", "-s", number, "-key", "domain", domain or to,
        "-key", "caller", caller_number,
        "-m", str(calls), "-r", str(max(1, round(rate * 10))), "-rp", "10000", "-l", "1000",
        "-recv_timeout", str(receive_ms or scenario.hold_ms + 12_000),
        "-timeout", f"{timeout_s}s", "-timeout_error",
    ]  # fmt: skip
    if reordering:
        arguments += ["-default_behaviors", "all,-abortunexp"]
    return Sipp(host, folder, scenario, arguments, port=port)
