"""Bodies of the management API: routing rules and groups.

In an update, a field that is null or absent keeps its value. Fields marked "opt-in" do not exist
in wazo-router-confd.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import UUID4, Field

from router_confd.resources.schemas.base import (
    Body,
    EmptyIsNone,
    Id,
    Int,
    Limit,
    Read,
    Regex,
    Text64,
    Text128,
)

RouteType = Annotated[Text64, Field(max_length=10)]
OptionalRegex = Annotated[Regex | None, EmptyIsNone]
Prefix = Annotated[Text128 | None, EmptyIsNone]


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
