"""Bodies of the management API. In an update, a field that is null or absent keeps its value.

Fields marked "opt-in" do not exist in the old service.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import UUID4, Field

from router_confd.schemas.base import (
    Body,
    DidRegex,
    EmptyIsNone,
    Host64,
    Host128,
    Host256,
    Id,
    Int,
    Limit,
    OptionalHost128,
    OptionalHost256,
    Port,
    Read,
    Regex,
    Seconds,
    Text50,
    Text64,
    Text128,
    Text192,
    Text256,
    Timestamp,
)

RouteType = Annotated[Text64, Field(max_length=10)]
OptionalDidRegex = Annotated[DidRegex | None, EmptyIsNone]
OptionalRegex = Annotated[Regex | None, EmptyIsNone]
Prefix = Annotated[Text128 | None, EmptyIsNone]
MaxCalls = Annotated[
    Limit | None, Field(description="opt-in: calls at the same time; null: no limit")
]
MaxCps = Annotated[Limit | None, Field(description="opt-in: new calls per second; null: no limit")]
LIMITS = frozenset({"max_calls", "max_cps"})


class TenantCreate(Body):
    name: Text256
    uuid: UUID4


class TenantUpdate(Body):
    name: Text256


class TenantRead(Read):
    name: str
    uuid: UUID4


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


class IpbxCreate(IpbxUpdate):
    port: Port = 5060
    registered: bool = False


class IpbxRead(Read):
    opt_in: ClassVar[frozenset[str]] = LIMITS
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
    registrar_proxy: OptionalHost128 = None
    from_domain: Annotated[Host64 | None, EmptyIsNone] = None
    expire_seconds: Seconds | None = None
    retry_seconds: Seconds | None = None
    max_calls: MaxCalls = None
    max_cps: MaxCps = None


class TrunkCreate(TrunkUpdate):
    tenant_uuid: UUID4 | None = None
    carrier_id: Id
    sip_proxy_port: Port = 5060
    registered: bool = False
    expire_seconds: Seconds = 3600
    retry_seconds: Seconds = 30


class TrunkRead(Read):
    opt_in: ClassVar[frozenset[str]] = LIMITS
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


class DidCreate(Body):
    tenant_uuid: UUID4 | None = None
    ipbx_id: Id
    carrier_trunk_id: Id
    did_regex: OptionalDidRegex = None


class DidUpdate(DidCreate):
    pass


class DidRead(Read):
    id: int
    tenant_uuid: UUID4
    ipbx_id: int
    carrier_trunk_id: int
    did_regex: str | None


class ProfileUpdate(Body):
    tenant_uuid: UUID4 | None = None
    name: Text256
    country_code: Text64 | None = None
    area_code: Text64 | None = None
    intl_prefix: Text64 | None = None
    ld_prefix: Text64 | None = None
    always_ld: bool | None = None
    always_intl_prefix_plus: bool | None = None


class ProfileCreate(ProfileUpdate):
    always_ld: bool = False
    always_intl_prefix_plus: bool = False


class ProfileRead(Read):
    id: int
    tenant_uuid: UUID4
    name: str
    country_code: str | None
    area_code: str | None
    intl_prefix: str | None
    ld_prefix: str | None
    always_ld: bool
    always_intl_prefix_plus: bool


class NormalizationRuleUpdate(Body):
    profile_id: Id
    rule_type: Int | None = Field(default=None, description="1: local to E.164, 2: E.164 to local")
    priority: Int | None = None
    match_regex: Regex
    replace_regex: Text256


class NormalizationRuleCreate(NormalizationRuleUpdate):
    rule_type: Int = 1
    priority: Int = 0


class NormalizationRuleRead(Read):
    id: int
    profile_id: int
    rule_type: int
    priority: int
    match_regex: str
    replace_regex: str


class RoutingRuleCreate(Body):
    carrier_trunk_id: Id
    ipbx_id: Id
    prefix: Prefix = None
    did_regex: OptionalRegex = None
    route_type: RouteType
    priority: Int | None = Field(
        default=None, description="opt-in: the rule decides calls; the lowest is tried first"
    )
    weight: Limit | None = Field(
        default=None, description="opt-in: share among rules of equal prefix length and priority"
    )


class RoutingRuleUpdate(RoutingRuleCreate):
    pass


class RoutingRuleRead(Read):
    opt_in: ClassVar[frozenset[str]] = frozenset({"priority", "weight"})
    id: int
    carrier_trunk_id: int
    ipbx_id: int
    prefix: str | None
    did_regex: str | None
    route_type: str
    priority: int | None
    weight: int | None


class RoutingGroupCreate(Body):
    tenant_uuid: UUID4 | None = None
    routing_rule_id: Id | None = None


class RoutingGroupUpdate(RoutingGroupCreate):
    pass


class RoutingGroupRead(Read):
    id: int
    tenant_uuid: UUID4
    routing_rule_id: int | None


class CdrCreate(Body):
    tenant_uuid: UUID4 | None = None
    source_ip: Text64
    source_port: Int
    from_uri: Text256
    to_uri: Text256
    call_id: Text256
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
