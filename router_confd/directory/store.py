"""The configuration that routing and authentication read, with the indexes they need."""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from typing import Any

from router_confd.directory.dids import DidIndex
from router_confd.directory.rows import (
    Domain,
    Ipbx,
    NormalizationRule,
    Profile,
    RoutingGroup,
    RoutingRule,
    Tenant,
    Trunk,
)
from router_confd.directory.tables import Table


def canonical(address: str) -> str:
    """The canonical spelling of an IP address, since IPv6 has many; other text is unchanged."""
    return _canonical_ipv6(address) if ":" in address else address


@lru_cache(maxsize=65_536)
def _canonical_ipv6(address: str) -> str:
    try:
        return str(ipaddress.ip_address(address))
    except ValueError:
        return address


def _address(row: Ipbx | Trunk) -> str | None:
    return canonical(row.ip_address) if row.ip_address else None


class Directory:
    """A consistent copy of the configuration. Readers never see half of a change."""

    def __init__(self) -> None:
        self.tenants: dict[str, Tenant] = {}  # by uuid
        self.dids = DidIndex()

        self.domains = Table("domains", Domain)
        self.domains_by_text = self.domains.index(lambda r: r.domain)

        self.profiles = Table("normalization_profiles", Profile)
        self.normalization_rules = Table("normalization_rules", NormalizationRule)
        self.rules_by_profile = self.normalization_rules.index(
            lambda r: (r.profile_id, r.rule_type)
        )

        self.ipbxs = Table("ipbx", Ipbx)
        self.ipbxs_by_domain = self.ipbxs.index(lambda r: r.domain_id)
        self.ipbxs_by_address = self.ipbxs.index(_address)
        self.ipbxs_by_username = self.ipbxs.index(lambda r: r.username)
        self.ipbxs_by_fqdn = self.ipbxs.index(lambda r: r.ip_fqdn)

        self.trunks = Table("carrier_trunks", Trunk)
        self.trunks_by_tenant = self.trunks.index(lambda r: r.tenant_uuid)
        self.trunks_by_address = self.trunks.index(_address)

        # Rules without a priority are only stored, as in wazo-router-confd.
        self.routing_rules = Table("routing_rules", RoutingRule, "priority IS NOT NULL")
        self.routes_by_ipbx = self.routing_rules.index(lambda r: r.ipbx_id)
        self.routing_groups = Table("routing_groups", RoutingGroup, "routing_rule_id IS NOT NULL")
        self.groups_by_tenant = self.routing_groups.index(lambda r: r.tenant_uuid)

        self.tables: dict[str, Table[Any]] = {
            table.name: table
            for table in (
                self.domains,
                self.profiles,
                self.normalization_rules,
                self.ipbxs,
                self.trunks,
                self.routing_rules,
                self.routing_groups,
            )
        }
