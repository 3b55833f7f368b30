"""The parts of a routing reply as they are built: plain dictionaries, which are fast to encode.

`resources.schemas.kamailio` has the same shapes for the OpenAPI document, with descriptions.
"""

from __future__ import annotations

from typing import NotRequired, TypedDict


class Limit(TypedDict):
    """Absent numbers are no limits."""

    key: str
    max_calls: NotRequired[int]
    max_cps: NotRequired[int]


class Limits(TypedDict, total=False):
    """Of the authenticated caller."""

    tenant: Limit
    source: Limit


class Login(TypedDict, total=False):
    """Digest credentials towards a PBX or a carrier; empty when there are none."""

    auth_username: str
    auth_password: str
    auth_ha1: str
    realm: str


class Identity(TypedDict, total=False):
    """Which PBX or trunk a destination is, and its limits."""

    ipbx_id: int
    carrier_trunk_id: int
    limits: Limit


class Party(TypedDict):
    display: str
    uri: str


Headers = TypedDict("Headers", {"from": Party, "to": Party, "extra": str})


class Route(Identity, Login):
    """One destination of a call."""

    dst_uri: str
    path: str
    socket: str
    headers: Headers
    branch_flags: int
    fr_timer: int  # milliseconds
    fr_inv_timer: int  # milliseconds
    uri: str


class RtJson(Login):
    """What Kamailio's module rtjson reads; `success` alone when there is no route."""

    success: bool
    version: NotRequired[str]
    routing: NotRequired[str]
    routes: NotRequired[list[Route]]
