"""Call records, as router-confd would store them."""

from __future__ import annotations

import time
from typing import Any

from testbed.sip.plane import Cluster, wait_until


def records(plane: Cluster, call_id: str) -> list[dict[str, Any]]:
    """What router-confd stores: the first record of each key."""
    sent = [kept for stub in plane.confds for kept in stub.kept if kept[1]["call_id"] == call_id]
    rows: dict[str, dict[str, Any]] = {}
    for _, record in sorted(sent, key=lambda kept: kept[0]):
        rows.setdefault(record["idempotency_key"], record)
    return list(rows.values())


def only_record(plane: Cluster, call_id: str, seconds: float = 3) -> dict[str, Any]:
    """The one record of a call; fails when none comes within the time, or a second one."""
    wait_until(lambda: bool(records(plane, call_id)), seconds, "record")
    time.sleep(0.2)
    (record,) = records(plane, call_id)
    return record
