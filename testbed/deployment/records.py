"""Call records of the calls of a test."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from demo.router_confd import objects
from testbed.deployment.world import World

DELIVERY_LIMIT_S = 25.0  # a router repeats what was not confirmed every 10 s


def records_by_call(world: World, call_ids: Sequence[str], expected: int) -> dict[str, list[Any]]:
    """Records of these calls, when there are as many as expected or the time is over."""
    end = time.monotonic() + DELIVERY_LIMIT_S
    while True:
        found: dict[str, list[Any]] = {call_id: [] for call_id in call_ids}
        for record in objects(world.cluster, world.tenant, "cdrs"):
            if record["call_id"] in found:
                found[record["call_id"]].append(record)
        if sum(map(len, found.values())) >= expected or time.monotonic() > end:
            return found
        time.sleep(1)


def assert_one_record_each(world: World, call_ids: Sequence[str]) -> None:
    """Every call has left exactly one record."""
    found = records_by_call(world, call_ids, len(call_ids))
    wrong = {call_id: rows for call_id, rows in found.items() if len(rows) != 1}
    assert not wrong, f"calls that have not one record: {wrong}"
