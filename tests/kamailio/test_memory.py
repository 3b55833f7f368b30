"""An SBC takes no more calls than it has memory for, until their ends."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed.load.plane import load_on, unlimited
from testbed.load.sipp import Talk
from testbed.load.undisturbed import ATTEMPTS, wait_for_quiet
from testbed.sip.metrics import refused
from testbed.sip.plane import Cluster

pytestmark = [
    pytest.mark.sip,
    pytest.mark.skipif(shutil.which("sipp") is None, reason="needs SIPp"),
]
MEMORY_MB = 128  # the least that the settings allow; an SBC without calls uses about 50


@pytest.fixture(scope="module")
def plane(image_root: tuple[Path, ...]) -> Iterator[Cluster]:
    with unlimited(image_root, MEMORY_MB) as made:
        yield made


def test_calls_are_refused_before_the_memory_is_full(plane: Cluster) -> None:
    for _ in range(ATTEMPTS):  # a busy machine has refused calls before memory was short
        wait_for_quiet()
        before = refused(plane, "memory")
        outcome = load_on(plane, 250, 10)
        assert outcome.failed == 0
        if refused(plane, "memory") > before + outcome.calls / 20:
            break
    else:
        pytest.fail("the memory was enough")
    assert not plane.nodes["sbc1"].logged("could not allocate")


@pytest.mark.faults
@pytest.mark.parametrize("talk", [Talk(1, 2), Talk(20, 20)], ids=["short", "long"])
def test_calls_of_a_burst_have_memory_until_their_ends(plane: Cluster, talk: Talk) -> None:
    """They are taken within a second or so, and end together."""
    before = refused(plane, "memory")
    for _ in range(2):
        outcome = load_on(plane, 1200, 6, talk)
        assert outcome.failed == 0
    assert refused(plane, "memory") > before + 1200
    assert not plane.nodes["sbc1"].logged("could not allocate")
