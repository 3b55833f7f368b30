"""What moto lacks and our stacks need; each module is one difference, listed in docs and README."""

from __future__ import annotations

from lab.moto_patches import addresses, database, groups, groups_api, launch_templates, refresh_api


def apply() -> None:
    """Patch moto in this process. Call once, before moto serves."""
    for patch in (addresses, launch_templates, groups, groups_api, refresh_api, database):
        patch.apply()
