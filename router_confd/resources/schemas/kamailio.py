"""Bodies of the endpoints that Kamailio calls. An empty string counts as absent."""

from __future__ import annotations

from typing import Annotated

from pydantic import AliasChoices, BaseModel, Field

from router_confd.resources.schemas.base import (
    Body,
    CdrText,
    EmptyIsNone,
    Int,
    Text64,
    Text256,
    Timestamp,
)

Optional64 = Annotated[Text64 | None, EmptyIsNone]
Optional256 = Annotated[Text256 | None, EmptyIsNone]
OptionalCdrText = Annotated[CdrText | None, EmptyIsNone]
Wire = Annotated[str, Field(max_length=2048)]
OptionalText = Annotated[Wire | None, EmptyIsNone]
OptionalInt = Annotated[Int | None, EmptyIsNone]
OptionalBool = Annotated[bool | None, EmptyIsNone]


class AuthRequest(Body):
    source_ip: OptionalText = None
    source_port: OptionalInt = 5060
    domain: OptionalText = None
    username: OptionalText = None
    password: OptionalText = None


class AuthReply(BaseModel):
    success: bool = False
    tenant_uuid: str | None = None
    carrier_trunk_id: int | None = None
    ipbx_id: int | None = None
    domain: str | None = None
    username: str | None = None
    password_ha1: str | None = None


class RoutingRequest(Body):
    event: OptionalText = None
    auth: OptionalBool = False
    source_ip: OptionalText = None
    source_port: OptionalInt = None
    domain: OptionalText = None
    username: OptionalText = None
    call_id: OptionalText = None
    from_name: OptionalText = None
    from_uri: Wire
    from_tag: OptionalText = None
    to_uri: Wire
    to_name: OptionalText = None
    to_tag: OptionalText = None
    request_uri: OptionalText = Field(
        default=None, description="Opt-in: route on the Request-URI instead of the To header"
    )


class Party(BaseModel):
    display: str
    uri: str


class Headers(BaseModel):
    from_: Party = Field(serialization_alias="from")
    to: Party
    extra: str


class Limit(BaseModel):
    """What counts under `key`; a number that is absent is no limit."""

    key: str = Field(description="tenant:UUID, ipbx:ID or carrier_trunk:ID")
    max_calls: int | None = Field(default=None, description="calls at the same time")
    max_cps: int | None = Field(default=None, description="new calls per second")


class Limits(BaseModel):
    tenant: Limit | None = None
    source: Limit | None = None


class Route(BaseModel):
    """One destination; the fields from `ipbx_id` on only when `request_uri` was sent."""

    dst_uri: str
    path: str = ""
    socket: str = ""
    headers: Headers
    branch_flags: int = 8
    fr_timer: int = 5000
    fr_inv_timer: int = 30000
    uri: str
    ipbx_id: int | None = None
    carrier_trunk_id: int | None = None
    limits: Limit | None = None
    auth_username: str | None = None
    auth_password: str | None = None
    auth_ha1: str | None = None
    realm: str | None = None


class RtJson(BaseModel):
    """What Kamailio's rtjson module takes; only `success` when there is no route."""

    success: bool
    version: str | None = None
    routing: str | None = None
    routes: list[Route] | None = None
    auth_username: str | None = None
    auth_password: str | None = None
    auth_ha1: str | None = None
    realm: str | None = None


class RoutingReply(BaseModel):
    auth: AuthReply | None
    rtjson: RtJson
    limits: Limits | None = Field(
        default=None, description="of the authenticated caller; only when `request_uri` was sent"
    )


class CdrRequest(Body):
    tenant_uuid: Optional64 = Field(
        default=None, validation_alias=AliasChoices("tenant_uuid", "tenant_id")
    )
    event: OptionalText = None
    source_ip: Optional64 = None
    source_port: OptionalInt = None
    call_id: OptionalCdrText = None
    from_uri: CdrText
    to_uri: CdrText
    call_start: Annotated[Timestamp | None, EmptyIsNone] = None
    duration: OptionalInt = None
    ipbx_id: OptionalInt = None
    carrier_trunk_id: OptionalInt = None
    idempotency_key: Optional256 = Field(
        default=None, description="Opt-in: the same record sent twice is stored once"
    )


class Cdr(BaseModel):
    tenant_uuid: str
    source_ip: str
    source_port: int
    from_uri: str
    to_uri: str
    call_id: str
    call_start: Timestamp | None
    duration: int | None


class CdrReply(BaseModel):
    success: bool
    cdr: Cdr | None
    idempotency_key: str | None = Field(default=None, description="That of the request, if any")


class KeptRecord(BaseModel):
    """What became of one record of many; one that is missing has to be sent again."""

    success: bool = Field(description="It is safe; else it was refused, as that of no known tenant")
    idempotency_key: str | None = Field(description="That of the record")


class DbText(BaseModel):
    content: str
