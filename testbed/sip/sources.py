"""What the SBCs of a plane know of sources: provisioned ones, and their own memory."""

from __future__ import annotations

import time
from collections.abc import Sequence

from common.kamailio import HTABLE_HEAD, PROVISIONED_SOURCES
from testbed.sip.plane import Cluster

# What an SBC remembers of sources: bans, counts of untrusted ones, and whom it trusts.
SOURCE_TABLES = (
    "ban", "untrusted_requests", "trusted_sources", "login_failures", "untrusted_calls",
)  # fmt: skip


def publish(plane: Cluster, addresses: Sequence[str], *, valid_s: int = 300) -> None:
    """The list that consul-template would render on each SBC."""
    rows = [HTABLE_HEAD, f"0:until:0:0:{int(time.time()) + valid_s}:0"]
    rows += [f"{i}:{address}:0:0:1:0" for i, address in enumerate(addresses, 1)]
    for sbc in plane.tier("sbc"):
        plane.apply(sbc, PROVISIONED_SOURCES, rows)


def withdraw(plane: Cluster) -> None:
    """The list of an SBC that has not heard of any source yet."""
    for sbc in plane.tier("sbc"):
        plane.apply(sbc, PROVISIONED_SOURCES, [HTABLE_HEAD])


def forgive(plane: Cluster) -> None:
    """Undo what the SBCs remember of sources."""
    for sbc in plane.tier("sbc"):
        for table in SOURCE_TABLES:
            sbc.rpc("htable.flush", table)
