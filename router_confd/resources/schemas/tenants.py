"""Bodies of the management API: tenants, domains, PBXs.

In an update, a field that is null or absent keeps its value. Fields marked "opt-in" do not exist
in wazo-router-confd.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import UUID4

from router_confd.resources.schemas.base import (
    LIMITS,
    OPT_IN,
    Body,
    EmptyIsNone,
    Host64,
    Host256,
    Id,
    Int,
    MaxCalls,
    MaxCps,
    OptionalHost256,
    Port,
    Read,
    Text50,
    Text192,
    Text256,
    Transport,
)


class TenantUpdate(Body):
    name: Text256
    max_calls: MaxCalls = None
    max_cps: MaxCps = None


class TenantCreate(TenantUpdate):
    uuid: UUID4


class TenantRead(Read):
    opt_in: ClassVar[frozenset[str]] = LIMITS
    name: str
    uuid: UUID4
    max_calls: int | None
    max_cps: int | None


class DomainCreate(Body):
    domain: Host64
    tenant_uuid: UUID4 | None = None


class DomainUpdate(DomainCreate):
    pass


class DomainRead(Read):
    id: int
    domain: str
    tenant_uuid: UUID4


class IpbxUpdate(Body):
    tenant_uuid: UUID4 | None = None
    domain_id: Id
    normalization_profile_id: Id | None = None
    customer: Int | None = None
    ip_fqdn: Host256
    port: Port | None = None
    ip_address: OptionalHost256 = None
    registered: bool | None = None
    username: Annotated[Text50 | None, EmptyIsNone] = None
    password: Annotated[Text192 | None, EmptyIsNone] = None
    realm: Annotated[Text50 | None, EmptyIsNone] = None
    max_calls: MaxCalls = None
    max_cps: MaxCps = None
    transport: Transport = None


class IpbxCreate(IpbxUpdate):
    port: Port = 5060
    registered: bool = False


class IpbxRead(Read):
    opt_in: ClassVar[frozenset[str]] = OPT_IN
    id: int
    tenant_uuid: UUID4
    domain_id: int
    normalization_profile_id: int | None
    customer: int | None
    ip_fqdn: str
    port: int
    ip_address: str | None
    registered: bool
    username: str | None
    realm: str | None
    max_calls: int | None
    max_cps: int | None
    transport: str | None
