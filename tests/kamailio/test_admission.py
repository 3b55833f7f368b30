"""How many new calls an SBC takes when processors or a router are short."""

from __future__ import annotations

import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed.load.plane import UNLIMITED, load_on, unlimited
from testbed.load.sipp import Outcome
from testbed.load.undisturbed import undisturbed
from testbed.sip.metrics import refused, shared_variable
from testbed.sip.plane import Cluster

pytestmark = [
    pytest.mark.sip,
    pytest.mark.skipif(shutil.which("sipp") is None, reason="needs SIPp"),
]
MEMORY_MB = 512  # enough
RESYNC_S = 6  # after a stop Kamailio's clock jumps, and what waits then is out of time


@pytest.fixture(scope="module")
def plane(image_root: tuple[Path, ...]) -> Iterator[Cluster]:
    with unlimited(image_root, MEMORY_MB) as made:
        yield made


def quota(plane: Cluster) -> int:
    """Calls per second."""
    return shared_variable(plane.nodes["sbc1"], "admission_rate")


def test_stopped_router_among_others_is_no_overload(plane: Cluster) -> None:
    stopped = plane.nodes["rtr1"]
    before = quota(plane)

    def measure() -> Outcome:
        stopped.send_signal(signal.SIGSTOP)
        try:
            return load_on(plane, 40, 3)
        finally:
            stopped.send_signal(signal.SIGCONT)
            time.sleep(RESYNC_S)  # for the tests that follow

    outcome, busy = undisturbed(measure)
    assert plane.nodes["sbc1"].logged("router failed, next is"), "no call met the stopped router"
    assert busy or ((outcome.failed, outcome.refused) == (0, 0) and quota(plane) >= before)


@pytest.mark.faults
def test_calls_beyond_the_processors_are_refused_and_the_others_carried(plane: Cluster) -> None:
    """All nodes share what is short, and the load comes at once."""
    before = refused(plane, "admission_rate") + refused(plane, "overload")
    for rate in (600, 1200, 2400):
        outcome = load_on(plane, rate, 6)
        if (
            refused(plane, "admission_rate") + refused(plane, "overload")
            > before + outcome.calls / 5
        ):
            break
    else:
        pytest.fail("it was no overload")
    assert outcome.failed == 0
    assert outcome.calls - outcome.refused > 20, "it refused more than it had to"
    assert quota(plane) < UNLIMITED
