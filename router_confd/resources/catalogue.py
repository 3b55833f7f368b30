"""The resources of the management API: one entry per path, with its special features."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from router_confd.database import models
from router_confd.resources import write_hooks
from router_confd.resources.schemas import carriers, cdrs, numbers, routing, tenants
from router_confd.resources.schemas.base import Body, Read

M = TypeVar("M", bound=models.Base)
C = TypeVar("C", bound=Body)
U = TypeVar("U", bound=Body)
R = TypeVar("R", bound=Read)


@dataclass(frozen=True)
class Resource(Generic[M, C, U, R]):
    path: str
    name: str  # in the text of a 404
    model: type[M]
    create: type[C]
    update: type[U]
    read: type[R]
    unique: str | None = None  # a duplicate in this column is answered with 409 on create
    unique_label: str | None = None  # the column's name in that answer
    parent: tuple[str, type[models.Owned]] | None = None  # this reference gives the tenant
    prepare: Callable[[write_hooks.Change[M]], Awaitable[None]] = write_hooks.nothing
    keeps_falsy: bool = False  # in an update, 0 and "" keep the old value


RESOURCES: tuple[Resource[Any, Any, Any, Any], ...] = (
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
        prepare=write_hooks.ipbx,
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
        prepare=write_hooks.trunk,
    ),
    Resource(
        "dids",
        "DID",
        models.Did,
        numbers.DidCreate,
        numbers.DidUpdate,
        numbers.DidRead,
        unique="did_regex",
        prepare=write_hooks.did,
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
        prepare=write_hooks.normalization_rule,
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
