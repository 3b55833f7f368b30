"""Calls in every phase while something breaks: being set up, ringing, established."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from demo.internet import MEDIA_DID, MEDIA_PBX
from demo.scenarios import BY_DID, Kind
from lab.api import Machine
from sipp.scenarios import Callee, Caller
from sipp.sipp import Result, Sipp, callee
from testbed.deployment.world import World

SHORT_MS, MIXED_MS = 200, 3000
HELD = 5  # calls per SBC that ring, and that are established, when the fault comes
START_LIMIT_S = 20.0


@dataclass(frozen=True)
class Outcome:
    """What became of the calls."""

    results: tuple[Result, ...]

    @property
    def placed(self) -> int:
        return sum(result.placed for result in self.results)

    @property
    def failed(self) -> int:
        return sum(result.failed for result in self.results)

    @property
    def call_ids(self) -> list[str]:
        return [call_id for result in self.results for call_id in result.call_ids]

    @property
    def delay_ms(self) -> int:
        """Worst time beyond the usual, of a setup or a hang-up."""
        setups = [t for result in self.results for t in result.setup_ms]
        hangups = [t for result in self.results for t in result.hangup_ms]
        worst = [max(times) - statistics.median(times) for times in (setups, hangups) if times]
        return round(max(worst, default=0))

    def __str__(self) -> str:
        return "; ".join(
            f"{r.name}: {r.placed} placed, {r.failed} failed, see {r.folder}" for r in self.results
        )


class Traffic:
    """Per SBC: `rate` short and `rate / 4` longer calls a second for `seconds`, five calls that
    ring for `ring_s`, and five that are hung up after `hold_s`. The block begins when those ring
    and are established. Only one at a time may have the slow PBX; without `pbx` none ring.
    """

    def __init__(
        self, world: World, name: str, *, seconds: float, ring_s: float = 8, hold_s: float = 14,
        rate: float = 8, sbcs: Sequence[Machine] = (), pbx: bool = True,
    ) -> None:  # fmt: skip
        self.world, self.name = world, name
        self._sbcs = list(sbcs) or world.exchange.sbcs()
        self._pbx = pbx
        self._seconds, self._ring_s, self._hold_s, self._rate = seconds, ring_s, hold_s, rate
        self._stack = ExitStack()
        self.held: list[Sipp] = []  # first call of each is established
        self._ringing: list[Sipp] = []
        self._fresh: list[Sipp] = []

    def __enter__(self) -> Self:
        if self._pbx:
            folder = self.world.exchange.folder / f"{self.name}-pbx"
            pbx = Callee(ring_ms=round(self._ring_s * 1000))
            self._stack.enter_context(callee(self.world.internet[MEDIA_PBX], folder, pbx))
        for index, sbc in enumerate(self._sbcs, 1):
            self.held.append(self._calls(f"held-{index}", sbc, self._hold_s, HELD, 20))
            if self._pbx:
                self._ringing.append(
                    self._calls(f"ringing-{index}", sbc, SHORT_MS / 1000, HELD, 20, slow=True)
                )
        end = time.monotonic() + START_LIMIT_S
        while not all(len(p.result().setup_ms) >= HELD for p in (*self.held, *self._ringing)):
            assert time.monotonic() < end, f"calls do not begin: {self.outcome()}"
            time.sleep(0.2)
        for index, sbc in enumerate(self._sbcs if self._seconds else (), 1):
            for kind, hold_ms, rate in (
                ("short", SHORT_MS, self._rate),
                ("mixed", MIXED_MS, self._rate / 4),
            ):
                calls = max(1, round(rate * self._seconds))
                self._fresh.append(self._calls(f"{kind}-{index}", sbc, hold_ms / 1000, calls, rate))
        time.sleep(1)  # some of them are being set up at any time from now on
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def wait(self) -> Outcome:
        """When all calls have ended by themselves."""
        for process in self._all():
            process.wait(120)
        return self.outcome()

    def outcome(self) -> Outcome:
        return Outcome(tuple(process.result() for process in self._all()))

    def _all(self) -> list[Sipp]:
        return [*self.held, *self._ringing, *self._fresh]

    def _calls(
        self, name: str, sbc: Machine, hold_s: float, calls: int, rate: float, slow: bool = False
    ) -> Sipp:
        """Calls to the PBX, or to the `slow` one, where they ring."""
        scenario = Caller(hold_ms=round(hold_s * 1000))
        ringing = Kind("ringing call", name, scenario, number=MEDIA_DID)
        return self._stack.enter_context(
            self.world.exchange.caller(
                f"{self.name}-{name}", sbc, scenario, kind=ringing if slow else BY_DID,
                calls=calls, rate=rate, timeout_s=180,
                receive_ms=round((self._ring_s if slow else hold_s) * 1000) + 12_000,
                reordering=True,
            )
        )  # fmt: skip
