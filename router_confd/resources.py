"""The resources of the management API: one entry per path, with what is special about it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from router_confd import models, patterns
from router_confd.crypto import Vault, ha1, hash_password
from router_confd.errors import Invalid
from router_confd.schemas import carriers, cdrs, numbers, routing, tenants
from router_confd.schemas.base import Body, Read

Values = dict[str, Any]


@dataclass(frozen=True)
class Change:
    """A create or update under way: `row` is None for a create, `values` holds the new columns."""

    session: AsyncSession
    vault: Vault
    row: Any
    values: Values

    def new(self, column: str) -> Any:
        """The value that the row will have."""
        return self.values.get(column, getattr(self.row, column, None))


async def _nothing(_change: Change) -> None:
    return None


@dataclass(frozen=True)
class Resource:
    path: str
    name: str  # in 404 texts
    model: Any
    create: type[Body]
    update: type[Body]
    read: type[Read]
    unique: str | None = None  # column whose duplicate is answered 409 on create
    unique_label: str | None = None  # its name in that answer
    parent: tuple[str, Any] | None = None  # the row's tenant is that of this reference
    prepare: Callable[[Change], Awaitable[None]] = field(default=_nothing)
    keeps_falsy: bool = False  # in an update, 0 and "" keep the old value


async def _ipbx(change: Change) -> None:
    values, row, vault = change.values, change.row, change.vault
    owner = str(change.new("tenant_uuid"))
    if row is not None and owner != str(row.tenant_uuid):
        for column in ("password_ha1", "realm_ha1"):
            if sealed := getattr(row, column):
                values[column] = vault.encrypt(vault.decrypt(sealed, str(row.tenant_uuid)), owner)
    if "password" in values:
        await _ipbx_password(change, owner)
    elif row is not None and any(
        column in values and values[column] != getattr(row, column)
        for column in ("username", "realm")
    ):
        # Our digest towards the PBX is of the old name. The PBX's own digest is kept: without
        # it the router would ask for none.
        values["realm_ha1"] = None


async def _ipbx_password(change: Change, owner: str) -> None:
    values, vault = change.values, change.vault
    password: str | None = values["password"]
    values["password_ha1"] = values["realm_ha1"] = None
    if password is None:
        return
    values["password"] = await asyncio.to_thread(hash_password, password)
    username, realm = change.new("username"), change.new("realm")
    domain = await change.session.get(models.Domain, change.new("domain_id"))
    if username and domain:
        values["password_ha1"] = vault.encrypt(ha1(username, domain.domain, password), owner)
    if username and realm:
        values["realm_ha1"] = vault.encrypt(ha1(username, realm, password), owner)


async def _trunk(change: Change) -> None:
    if password := change.values.get("auth_password"):
        owner = str(change.new("tenant_uuid"))
        change.values["auth_password"] = change.vault.encrypt(password, owner)


async def _did(change: Change) -> None:
    if "did_regex" in change.values:
        regex: str = change.values["did_regex"] or ""
        number = patterns.number_of(regex)
        change.values["is_number"] = number is not None
        change.values["did_prefix"] = number or patterns.digit_prefix(regex)


async def _normalization_rule(change: Change) -> None:
    try:
        patterns.check_replacement(change.new("match_regex"), change.new("replace_regex"))
    except patterns.BadPattern as error:
        raise Invalid("replace_regex", str(error)) from None


RESOURCES: tuple[Resource, ...] = (
    Resource(
        "tenants",
        "Tenant",
        models.Tenant,
        tenants.TenantCreate,
        tenants.TenantUpdate,
        tenants.TenantRead,
        "name",
    ),
    Resource(
        "domains",
        "Domain",
        models.Domain,
        tenants.DomainCreate,
        tenants.DomainUpdate,
        tenants.DomainRead,
        unique="domain",
        unique_label="name",
    ),
    Resource(
        "ipbxs",
        "IPBX",
        models.Ipbx,
        tenants.IpbxCreate,
        tenants.IpbxUpdate,
        tenants.IpbxRead,
        prepare=_ipbx,
    ),
    Resource(
        "carriers",
        "Carrier",
        models.Carrier,
        carriers.CarrierCreate,
        carriers.CarrierUpdate,
        carriers.CarrierRead,
        unique="name",
    ),
    Resource(
        "carrier_trunks",
        "Carrier Trunk",
        models.CarrierTrunk,
        carriers.TrunkCreate,
        carriers.TrunkUpdate,
        carriers.TrunkRead,
        unique="name",
        prepare=_trunk,
    ),
    Resource(
        "dids",
        "DID",
        models.Did,
        numbers.DidCreate,
        numbers.DidUpdate,
        numbers.DidRead,
        unique="did_regex",
        prepare=_did,
    ),
    Resource(
        "normalization-profiles",
        "Normalization profile",
        models.NormalizationProfile,
        numbers.ProfileCreate,
        numbers.ProfileUpdate,
        numbers.ProfileRead,
        unique="name",
        unique_label="match_regex",
    ),
    Resource(
        "normalization-rules",
        "Normalization rule",
        models.NormalizationRule,
        numbers.NormalizationRuleCreate,
        numbers.NormalizationRuleUpdate,
        numbers.NormalizationRuleRead,
        unique="match_regex",
        parent=("profile_id", models.NormalizationProfile),
        prepare=_normalization_rule,
    ),
    Resource(
        "routing-rules",
        "RoutingRule",
        models.RoutingRule,
        routing.RoutingRuleCreate,
        routing.RoutingRuleUpdate,
        routing.RoutingRuleRead,
        parent=("carrier_trunk_id", models.CarrierTrunk),
    ),
    Resource(
        "routing-groups",
        "RoutingGroup",
        models.RoutingGroup,
        routing.RoutingGroupCreate,
        routing.RoutingGroupUpdate,
        routing.RoutingGroupRead,
    ),
    Resource(
        "cdrs", "CDR", models.Cdr, cdrs.CdrCreate, cdrs.CdrUpdate, cdrs.CdrRead, keeps_falsy=True
    ),
)
