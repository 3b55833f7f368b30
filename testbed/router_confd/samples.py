"""For every resource: a valid body, what comes back, and what an update changes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from testbed.router_confd.instance import Site

Body = dict[str, Any]


@dataclass(frozen=True)
class Sample:
    path: str
    name: str  # in the 404 text
    create: Callable[[Site], Body]
    defaults: Body = field(default_factory=dict)  # come back when not sent
    update: Callable[[Site], Body] = lambda _site: {}
    secret: tuple[str, ...] = ()  # accepted, never returned
    hidden: tuple[str, ...] = ()  # accepted, not part of the response
    clears: str | None = None  # a field that PATCH can set to null
    key: str = "id"

    def __str__(self) -> str:
        return self.path


def unique(prefix: str = "n") -> str:
    return f"{prefix}-{uuid4().hex[:16]}"


def _profile(site: Site) -> int:
    return int(site.post("normalization-profiles", name=unique())["id"])


def _rule(site: Site) -> int:
    body = {"carrier_trunk_id": site.trunk["id"], "ipbx_id": site.ipbx["id"], "route_type": "pstn"}
    return int(site.post("routing-rules", **body)["id"])


SAMPLES = [
    Sample(
        "tenants",
        "Tenant",
        lambda _s: {"name": unique(), "uuid": str(uuid4())},
        update=lambda _s: {"name": unique()},
        key="uuid",
    ),
    Sample(
        "domains",
        "Domain",
        lambda s: {"tenant_uuid": s.uuid, "domain": f"{unique('d')}.example.com"},
        update=lambda _s: {"domain": f"{unique('d')}.example.com"},
    ),
    Sample(
        "ipbxs",
        "IPBX",
        lambda s: {
            "tenant_uuid": s.uuid,
            "domain_id": s.domain["id"],
            "normalization_profile_id": _profile(s),
            "customer": 7,
            "ip_fqdn": "pbx.example.com",
            "port": 5070,
            "ip_address": "10.99.0.1",
            "registered": True,
            "username": unique(),
            "password": "a-secret-password",
            "password_ha1": "ignored-and-never-returned",
            "realm": "realm.example.com",
        },
        update=lambda s: {
            "domain_id": s.domain["id"],
            "ip_fqdn": "other.example.com",
            "password": "another-secret",
        },
        secret=("password", "password_ha1"),
        clears="ip_address",
    ),
    Sample(
        "ipbxs",
        "IPBX",
        lambda s: {
            "tenant_uuid": s.uuid,
            "domain_id": s.domain["id"],
            "ip_fqdn": "198.51.100.77",
            "username": unique(),
        },
        defaults={
            "port": 5060,
            "registered": False,
            "normalization_profile_id": None,
            "customer": None,
            "ip_address": None,
            "realm": None,
        },
        update=lambda s: {"domain_id": s.domain["id"], "ip_fqdn": "h", "max_calls": 3},
    ),
    Sample(
        "carriers",
        "Carrier",
        lambda s: {"tenant_uuid": s.uuid, "name": unique()},
        update=lambda _s: {"name": unique()},
    ),
    Sample(
        "carrier_trunks",
        "Carrier Trunk",
        lambda s: {
            "tenant_uuid": s.uuid,
            "carrier_id": s.carrier["id"],
            "normalization_profile_id": _profile(s),
            "name": unique(),
            "sip_proxy": "proxy.example.com",
            "sip_proxy_port": 5080,
            "ip_address": "10.99.0.2",
            "registered": True,
            "auth_username": "user",
            "auth_password": "a-secret-password",
            "realm": "realm.example.com",
            "registrar_proxy": "registrar.example.com:5070;transport=tcp",
            "from_domain": "from.example.com",
            "expire_seconds": 600,
            "retry_seconds": 10,
        },
        update=lambda _s: {"name": unique(), "sip_proxy": "p", "auth_password": "other-secret"},
        secret=("auth_password",),
        clears="from_domain",
    ),
    Sample(
        "carrier_trunks",
        "Carrier Trunk",
        lambda s: {
            "tenant_uuid": s.uuid,
            "carrier_id": s.carrier["id"],
            "name": unique(),
            "sip_proxy": "2001:db8::1",
        },
        defaults={
            "sip_proxy_port": 5060,
            "registered": False,
            "expire_seconds": 3600,
            "retry_seconds": 30,
            "normalization_profile_id": None,
            "ip_address": None,
            "auth_username": None,
            "realm": None,
            "registrar_proxy": None,
            "from_domain": None,
        },
        update=lambda _s: {"name": unique(), "sip_proxy": "p", "max_cps": 9},
    ),
    Sample(
        "dids",
        "DID",
        lambda s: {
            "tenant_uuid": s.uuid,
            "ipbx_id": s.ipbx["id"],
            "carrier_trunk_id": s.trunk["id"],
            "did_regex": f"^{uuid4().int}[0-9]$",
        },
        update=lambda s: {
            "ipbx_id": s.ipbx["id"],
            "carrier_trunk_id": s.trunk["id"],
            "did_regex": f"^{uuid4().int}$",
        },
        clears="did_regex",
    ),
    Sample(
        "normalization-profiles",
        "Normalization profile",
        lambda s: {
            "tenant_uuid": s.uuid,
            "name": unique(),
            "country_code": "39",
            "area_code": "040",
            "intl_prefix": "00",
            "ld_prefix": "0",
            "always_ld": True,
            "always_intl_prefix_plus": True,
        },
        update=lambda _s: {"name": unique(), "area_code": "02"},
        clears="area_code",
    ),
    Sample(
        "normalization-rules",
        "Normalization rule",
        lambda s: {
            "profile_id": _profile(s),
            "rule_type": 2,
            "priority": 5,
            "match_regex": f"^{uuid4().int}",
            "replace_regex": "1",
        },
        update=lambda s: {
            "profile_id": _profile(s),
            "match_regex": f"^({uuid4().int})",
            "replace_regex": r"\1",
        },
    ),
    Sample(
        "normalization-rules",
        "Normalization rule",
        lambda s: {
            "profile_id": _profile(s),
            "match_regex": f"^{uuid4().int}",
            "replace_regex": "",
        },
        defaults={"rule_type": 1, "priority": 0},
    ),
    Sample(
        "routing-rules",
        "RoutingRule",
        lambda s: {
            "carrier_trunk_id": s.trunk["id"],
            "ipbx_id": s.ipbx["id"],
            "prefix": "39",
            "did_regex": "^39[0-9]+$",
            "route_type": "pstn",
        },
        update=lambda s: {
            "carrier_trunk_id": s.trunk["id"],
            "ipbx_id": s.ipbx["id"],
            "prefix": "44",
            "route_type": "other",
            "priority": 3,
            "weight": 2,
        },
        clears="prefix",
    ),
    Sample(
        "routing-groups",
        "RoutingGroup",
        lambda s: {"tenant_uuid": s.uuid, "routing_rule_id": _rule(s)},
        update=lambda s: {"routing_rule_id": _rule(s)},
        clears="routing_rule_id",
    ),
    Sample(
        "cdrs",
        "CDR",
        lambda s: {
            "tenant_uuid": s.uuid,
            "source_ip": "10.0.0.1",
            "source_port": 5060,
            "from_uri": "sip:100@localhost",
            "to_uri": "sip:200@localhost",
            "call_id": unique(),
            "call_start": "2026-01-02T03:04:05+00:00",
            "duration": 60,
        },
        update=lambda _s: {
            "source_ip": "10.0.0.2",
            "source_port": 5061,
            "from_uri": "sip:101@localhost",
            "to_uri": "sip:201@localhost",
            "call_id": unique(),
        },
        clears="duration",
    ),
]
DISTINCT = list({sample.path: sample for sample in reversed(SAMPLES)}.values())
