"""What moto lacks and our stacks need; each module is one difference, listed in docs and README."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lab.moto_patches import (
    addresses,
    database,
    groups,
    groups_api,
    launch_templates,
    readback,
    refresh_api,
)

Setter = Callable[[Any, str, Any], None]


def apply(put: Setter = setattr) -> None:
    """Patch moto in this process. Call once, before moto serves.

    `put` sets an attribute; tests give one that is undone.
    """
    for patch in (addresses, launch_templates, groups, groups_api, refresh_api, readback, database):
        patch.apply(put)
