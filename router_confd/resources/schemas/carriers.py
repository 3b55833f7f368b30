"""Bodies of the management API: carriers and their trunks.

In an update, a field that is null or absent keeps its value. Fields marked "opt-in" do not exist
in wazo-router-confd.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import UUID4

from router_confd.resources.schemas.base import (
    OPT_IN,
    Body,
    EmptyIsNone,
    Host64,
    Host128,
    Id,
    MaxCalls,
    MaxCps,
    OptionalHost256,
    Port,
    Read,
    Registrar,
    Seconds,
    Text64,
    Text192,
    Text256,
    Transport,
)


class CarrierCreate(Body):
    name: Text256
    tenant_uuid: UUID4 | None = None


class CarrierUpdate(Body):
    name: Text256 | None = None
    tenant_uuid: UUID4 | None = None


class CarrierRead(Read):
    id: int
    name: str
    tenant_uuid: UUID4


class TrunkUpdate(Body):
    normalization_profile_id: Id | None = None
    name: Text256
    sip_proxy: Host128
    sip_proxy_port: Port | None = None
    ip_address: OptionalHost256 = None
    registered: bool | None = None
    auth_username: Annotated[Text64 | None, EmptyIsNone] = None
    auth_password: Annotated[Text192 | None, EmptyIsNone] = None
    realm: Annotated[Text64 | None, EmptyIsNone] = None
    registrar_proxy: Registrar = None
    from_domain: Annotated[Host64 | None, EmptyIsNone] = None
    expire_seconds: Seconds | None = None
    retry_seconds: Seconds | None = None
    max_calls: MaxCalls = None
    max_cps: MaxCps = None
    transport: Transport = None


class TrunkCreate(TrunkUpdate):
    tenant_uuid: UUID4 | None = None
    carrier_id: Id
    sip_proxy_port: Port = 5060
    registered: bool = False
    expire_seconds: Seconds = 3600
    retry_seconds: Seconds = 30


class TrunkRead(Read):
    opt_in: ClassVar[frozenset[str]] = OPT_IN
    id: int
    tenant_uuid: UUID4
    carrier_id: int
    normalization_profile_id: int | None
    name: str
    sip_proxy: str
    sip_proxy_port: int
    ip_address: str | None
    registered: bool
    auth_username: str | None
    realm: str | None
    registrar_proxy: str | None
    from_domain: str | None
    expire_seconds: int
    retry_seconds: int
    max_calls: int | None
    max_cps: int | None
    transport: str | None
