"""An rtpengine hangs while calls come, ring and end: a router's processes wait for it."""

from __future__ import annotations

import shutil
import signal
import threading
from collections import Counter

import pytest

from testbed.load.plane import load_on
from testbed.load.sipp import Outcome
from testbed.load.undisturbed import undisturbed
from testbed.sip.plane import Cluster, wait_until

pytestmark = [
    pytest.mark.sip,
    pytest.mark.skipif(shutil.which("sipp") is None, reason="needs SIPp"),
]
RATE, SECONDS = 60, 8


def test_no_call_is_lost_with_an_rtpengine_that_hangs(plane: Cluster) -> None:
    """Neither is its end nor its record; the other rtpengine takes the new ones."""
    load_on(plane, 5, 1)  # its source is known from now on
    hung, other = plane.tier("rtp")
    before = {node.name: node.logged("Creating new call") for node in (hung, other)}

    def measure() -> Outcome:
        for stub in plane.confds:
            stub.kept.clear()  # of the calls before
        timer = threading.Timer(3, hung.send_signal, [signal.SIGSTOP])
        timer.start()
        try:
            return load_on(plane, RATE, SECONDS)
        finally:
            timer.join()
            hung.send_signal(signal.SIGCONT)

    outcome, busy = undisturbed(measure)
    waited = sum(node.logged("timeout waiting reply") for node in plane.tier("rtr"))
    assert waited > 0, "nobody met it"
    assert outcome.failed == 0 or busy
    answered = outcome.calls - outcome.refused
    assert answered > outcome.calls / 2, "too many were refused"
    taken = other.logged("Creating new call") - before[other.name]
    assert taken > hung.logged("Creating new call") - before[hung.name], "who took over?"

    def records() -> Counter[str]:
        """Keys by call: a BYE that went to both routers gives two records with one key."""
        sent = [r for stub in plane.confds for r in stub.cdrs]
        return Counter(
            call_id for call_id, _ in {(r["call_id"], r["idempotency_key"]) for r in sent}
        )

    wait_until(lambda: len(records()) >= answered, 10, "records")
    assert set(records().values()) == {1}
    plane.settle()
