"""moto, made complete: an emulation of Auto Scaling, and mends of what moto answers otherwise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lab.aws.autoscaling import groups, groups_api, refresh_api
from lab.aws.moto_fixes import addresses, database, launch_templates, readback

Setter = Callable[[Any, str, Any], None]


def apply(put: Setter = setattr) -> None:
    """Patch moto in this process. Call once, before moto serves.

    `put` sets an attribute; tests give one that is undone.
    """
    for patch in (addresses, launch_templates, groups, groups_api, refresh_api, readback, database):
        patch.apply(put)
