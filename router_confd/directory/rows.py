"""Rows as routing needs them. Each field is the column of the same name.

`tenant_uuid` is text. Credentials stay encrypted here, and are decrypted when a reply needs them.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    id: int
    tenant_uuid: str


@dataclass(frozen=True, slots=True)
class Tenant:
    uuid: str
    max_calls: int | None
    max_cps: int | None


@dataclass(frozen=True, slots=True)
class Domain(Row):
    domain: str


@dataclass(frozen=True, slots=True)
class Profile(Row):
    country_code: str | None
    always_intl_prefix_plus: bool


@dataclass(frozen=True, slots=True)
class NormalizationRule(Row):
    profile_id: int
    rule_type: int
    priority: int
    match_regex: str
    replace_regex: str


@dataclass(frozen=True, slots=True)
class Ipbx(Row):
    domain_id: int
    normalization_profile_id: int | None
    ip_fqdn: str
    port: int
    ip_address: str | None
    username: str | None
    realm: str | None
    password: str | None  # one-way hash
    password_ha1: str | None  # encrypted
    realm_ha1: str | None  # encrypted
    max_calls: int | None
    max_cps: int | None
    transport: str | None  # None: UDP


@dataclass(frozen=True, slots=True)
class Trunk(Row):
    normalization_profile_id: int | None
    sip_proxy: str
    sip_proxy_port: int
    ip_address: str | None
    registered: bool
    auth_username: str | None
    auth_password: str | None  # encrypted
    realm: str | None
    registrar_proxy: str | None
    from_domain: str | None
    expire_seconds: int
    max_calls: int | None
    max_cps: int | None
    transport: str | None  # None: UDP


@dataclass(frozen=True, slots=True)
class RoutingRule(Row):
    carrier_trunk_id: int
    ipbx_id: int
    prefix: str | None
    did_regex: str | None
    priority: int | None
    weight: int | None


@dataclass(frozen=True, slots=True)
class RoutingGroup(Row):
    routing_rule_id: int | None
