"""Load on a SIP plane."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from common import ports
from settings.load import load
from settings.sip import Overload
from testbed.load.sipp import Outcome, Talk
from testbed.load.sipp import call as place_calls
from testbed.sip.addresses import CALLEE, CALLER, SBCS
from testbed.sip.plane import Cluster, cluster, with_sip

UNLIMITED = 100_000
SHORT = Talk(1, 2)


def load_on(plane: Cluster, rate: int, seconds: int, talk: Talk = SHORT) -> Outcome:
    """Calls from the caller to the callee through the first SBC."""
    hosts = plane.host_of(CALLER), plane.host_of(CALLEE)
    address = next(iter(SBCS.values()))[1]
    return place_calls(
        hosts, (CALLER, CALLEE), f"{address}:{ports.SIP}", ["100"], rate, seconds, talk
    )


@contextmanager
def unlimited(image_root: tuple[Path, ...], memory_mb: int) -> Iterator[Cluster]:
    """A plane that nothing but its own shortness keeps from taking calls."""
    default = Overload.model_fields["queue_wait_ms"].default
    changed = with_sip(
        load("demo"),
        overload={"new_calls_per_s": UNLIMITED, "queue_wait_ms": default},
        edge={"trusted_packets_per_s": 1_000_000},
    )
    with cluster(image_root, changed, memory_mb=memory_mb) as made:
        load_on(made, 5, 1)  # its source is known from now on
        yield made
