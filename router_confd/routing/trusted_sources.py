"""The provisioned sources: the addresses that calls may come from, for the SBCs."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from router_confd.directory.store import Directory, canonical


class Source(BaseModel):
    """One trusted sender."""

    address: str = Field(description="IP address, canonical spelling")
    kind: Literal["carrier_trunk", "ipbx"]
    tenant_uuid: str
    carrier_trunk_id: int | None = None
    ipbx_id: int | None = None
    max_calls: int | None = Field(
        default=None, description="calls at the same time; null: no limit"
    )
    max_cps: int | None = Field(default=None, description="new calls per second; null: no limit")


class Sources(BaseModel):
    sources: list[Source]


def sources(directory: Directory) -> Sources:
    """All trunks and PBXs that have an address: first the trunks, then the PBXs, by id."""
    found = [
        Source(
            address=canonical(trunk.ip_address),
            kind="carrier_trunk",
            tenant_uuid=trunk.tenant_uuid,
            carrier_trunk_id=trunk.id,
            max_calls=trunk.max_calls,
            max_cps=trunk.max_cps,
        )
        for _, trunk in sorted(directory.trunks.rows.items())
        if trunk.ip_address
    ]
    found += [
        Source(
            address=canonical(ipbx.ip_address),
            kind="ipbx",
            tenant_uuid=ipbx.tenant_uuid,
            ipbx_id=ipbx.id,
            max_calls=ipbx.max_calls,
            max_cps=ipbx.max_cps,
        )
        for _, ipbx in sorted(directory.ipbxs.rows.items())
        if ipbx.ip_address
    ]
    return Sources(sources=found)
