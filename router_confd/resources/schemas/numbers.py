"""Bodies of the management API: DIDs and normalization.

In an update, a field that is null or absent keeps its value. Fields marked "opt-in" do not exist
in wazo-router-confd.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import UUID4, Field

from router_confd.resources.schemas.base import (
    Body,
    DidRegex,
    EmptyIsNone,
    Id,
    Int,
    Read,
    Regex,
    Text64,
    Text256,
)

OptionalDidRegex = Annotated[DidRegex | None, EmptyIsNone]


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
