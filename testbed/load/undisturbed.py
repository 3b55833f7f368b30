"""Measurements that other work on the machine would spoil."""

from __future__ import annotations

import time
from collections.abc import Callable

from testbed.busy import OtherWork
from testbed.load.sipp import Outcome

CORES = 0.3  # so much of a processor may others use
ATTEMPTS = 3
WAIT_S = 60.0


def undisturbed(measure: Callable[[], Outcome]) -> tuple[Outcome, bool]:
    """The outcome of calls, repeated at a quiet moment when others had spoiled it.

    The second value tells that this did not help: then an SBC that is short of processors has
    rightly refused calls.
    """
    for attempt in range(ATTEMPTS):
        if attempt:
            wait_for_quiet()
        others = OtherWork()
        outcome = measure()
        busy = others.cores() > CORES
        print(f"others kept {others.cores():.2f} processors busy")
        if not busy or (outcome.failed, outcome.refused) == (0, 0):
            break
    return outcome, busy


def wait_for_quiet() -> None:
    """Until others leave the processors alone, or for a minute."""
    end = time.monotonic() + WAIT_S
    while time.monotonic() < end:
        others = OtherWork()
        time.sleep(2)
        if others.cores() < CORES:
            return
