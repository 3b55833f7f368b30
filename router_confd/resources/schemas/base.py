"""Field types of all bodies. As in wazo-router-confd, "7" is accepted as 7, and 7 as "7"."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
    model_serializer,
)

from common import cdr
from router_confd.routing import patterns

INT_MAX = 2**31 - 1
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_HOST = re.compile(
    r"\[?[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*\]?|[A-Za-z0-9_]([A-Za-z0-9._-]*[A-Za-z0-9_])?\.?"
)


_AUTHORITY = re.compile(r"[A-Za-z0-9\[][A-Za-z0-9.:\[\]_-]*(;[A-Za-z0-9._~=-]+)*")


class Body(BaseModel):
    """A request body: unknown fields are ignored."""

    model_config = ConfigDict(extra="ignore", coerce_numbers_to_str=True)


class Read(BaseModel):
    """A reply. Fields in `opt_in`, which wazo-router-confd lacks, appear only if they are set."""

    model_config = ConfigDict(from_attributes=True)
    opt_in: ClassVar[frozenset[str]] = frozenset()

    @model_serializer(mode="wrap")
    def _without_unset_opt_ins(self, serialize: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
        values = serialize(self)
        return {k: v for k, v in values.items() if v is not None or k not in self.opt_in}


def _printable(text: str) -> str:
    if text.isascii() and text.isprintable():
        return text  # nearly every text, and quick to find out
    if _CONTROL.search(text):
        raise ValueError("must not contain control characters")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("must be valid Unicode") from None
    return text


def _host(text: str) -> str:
    if not _HOST.fullmatch(text):
        raise ValueError("must be a host name or an IP address, without scheme, port, parameters")
    return text


def _host_and_more(text: str) -> str:
    if not _AUTHORITY.fullmatch(text):
        raise ValueError("must be a host name or an IP address, optionally with :port, ;parameters")
    return text


def _regex(text: str) -> str:
    patterns.check(text)
    return text


def _did(text: str) -> str:
    if patterns.number_of(text) is None:
        patterns.check(text)
    return text


def _utc(value: datetime) -> datetime:
    try:
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    except OverflowError:
        raise ValueError("must be in the years 1 to 9999 of UTC") from None


def _iso(value: datetime) -> str:
    return value.astimezone(UTC).isoformat()


def _empty_is_none(value: object) -> object:
    return None if value == "" else value


Text50 = Annotated[str, StringConstraints(max_length=50), AfterValidator(_printable)]
Text64 = Annotated[str, StringConstraints(max_length=64), AfterValidator(_printable)]
Text128 = Annotated[str, StringConstraints(max_length=128), AfterValidator(_printable)]
Text192 = Annotated[str, StringConstraints(max_length=192), AfterValidator(_printable)]
Text256 = Annotated[str, StringConstraints(max_length=256), AfterValidator(_printable)]
CdrText = Annotated[str, StringConstraints(max_length=cdr.TEXT_LENGTH), AfterValidator(_printable)]
Host64 = Annotated[Text64, AfterValidator(_host)]
Host128 = Annotated[Text128, AfterValidator(_host)]
Host256 = Annotated[Text256, AfterValidator(_host)]
Registrar = Annotated[
    Annotated[Text128, AfterValidator(_host_and_more)] | None, BeforeValidator(_empty_is_none)
]
Regex = Annotated[Text256, AfterValidator(_regex)]
DidRegex = Annotated[Text256, AfterValidator(_did)]
Int = Annotated[int, Field(ge=-INT_MAX - 1, le=INT_MAX)]
Id = Annotated[int, Field(ge=1, le=INT_MAX)]
Port = Annotated[int, Field(ge=1, le=65535)]
Seconds = Annotated[int, Field(ge=0, le=INT_MAX)]
Limit = Annotated[int, Field(ge=1, le=1_000_000)]
Timestamp = Annotated[
    datetime, AfterValidator(_utc), PlainSerializer(_iso, return_type=str, when_used="json")
]
OptionalHost256 = Annotated[Host256 | None, BeforeValidator(_empty_is_none)]
EmptyIsNone = BeforeValidator(_empty_is_none)
MaxCalls = Annotated[
    Limit | None, Field(description="opt-in: calls at the same time; null: no limit")
]
MaxCps = Annotated[Limit | None, Field(description="opt-in: new calls per second; null: no limit")]
Transport = Annotated[
    Literal["udp", "tcp", "tls"] | None,
    Field(description="opt-in: how the SBC reaches it; null: udp"),
]
LIMITS = frozenset({"max_calls", "max_cps"})
OPT_IN = LIMITS | {"transport"}
