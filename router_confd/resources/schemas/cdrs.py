"""Bodies of the management API: call records.

In an update, a field that is null or absent keeps its value. Fields marked "opt-in" do not exist
in wazo-router-confd.
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import UUID4

from router_confd.resources.schemas.base import Body, CdrText, Int, Read, Text64, Timestamp


class CdrCreate(Body):
    tenant_uuid: UUID4 | None = None
    source_ip: Text64
    source_port: Int
    from_uri: CdrText
    to_uri: CdrText
    call_id: CdrText
    call_start: Timestamp | None = None
    duration: Int | None = None


class CdrUpdate(CdrCreate):
    pass


class CdrRead(Read):
    opt_in: ClassVar[frozenset[str]] = frozenset({"ipbx_id", "carrier_trunk_id"})
    id: int
    tenant_uuid: UUID4
    source_ip: str
    source_port: int
    from_uri: str
    to_uri: str
    call_id: str
    call_start: Timestamp | None
    duration: int | None
    ipbx_id: int | None
    carrier_trunk_id: int | None
