"""All changes to moto: an emulation of Auto Scaling, and fixes where moto differs from AWS."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lab.aws.autoscaling import groups, groups_api, refresh_api
from lab.aws.moto_fixes import addresses, database, interfaces, launch_templates, readback

Setter = Callable[[Any, str, Any], None]


def apply(put: Setter = setattr) -> None:
    """Patch moto in this process. Must be called once, before moto serves.

    `put` sets an attribute; tests pass one whose changes are undone.
    """
    for patch in (
        addresses,
        launch_templates,
        interfaces,
        groups,
        groups_api,
        refresh_api,
        readback,
        database,
    ):
        patch.apply(put)
