"""The internet side of the demo: carriers and PBXs, their numbers, and the routing of calls."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass

from lab.api import Lab
from lab.machines.hosts import Host
from settings import Tenant

# Carriers
CARRIER = "carrier"
REFUSING = "carrier2"  # out of service: 503
SILENT = "carrier3"  # dead: never answers
LOGIN = "carrier4"  # requires digest authentication
# PBXs
PBX = "pbx"
MEDIA_PBX = "mediapbx"
UNKNOWN_PBX_HOST = "unknown-pbx"  # router-confd does not know it

ADDRESSES = {
    CARRIER: "198.51.100.10",
    REFUSING: "198.51.100.11",
    SILENT: "198.51.100.12",
    LOGIN: "198.51.100.13",
    PBX: "198.51.100.20",
    MEDIA_PBX: "198.51.100.21",
    UNKNOWN_PBX_HOST: "198.51.100.66",
}
CARRIERS = (CARRIER, REFUSING, SILENT, LOGIN)

DID = "39040100200"  # a number of the PBX
MEDIA_DID = "39041100200"  # a number of the PBX that sends RTP
UNKNOWN_DID = "39999000111"

# Numbers that the PBX calls. The first digits select the carriers, first choice first.
ROUTES = {
    "44": (CARRIER,),
    "33": (REFUSING, CARRIER),
    "49": (SILENT, CARRIER),
    "46": (LOGIN,),
    "47": (REFUSING,),
}
NATIONAL = "2079460000"  # the further digits
UNROUTED = "81" + NATIONAL

PBX_USER = "pbx"
LOGIN_REALM = "carrier4.example"


@dataclass(frozen=True)
class Internet:
    """Hosts outside the VPC, by name."""

    hosts: dict[str, Host]

    @classmethod
    def of(cls, lab: Lab) -> Internet:
        return cls({name: lab.host(name, address) for name, address in ADDRESSES.items()})

    def __getitem__(self, name: str) -> Host:
        return self.hosts[name]


def pbx_domain(tenant: Tenant) -> str:
    """SIP domain of the tenant's PBX."""
    return f"pbx.{tenant.name}.example"


def trunk_user(tenant: Tenant) -> str:
    """User name of the tenant at the carrier that requires digest authentication."""
    return f"trunk-{tenant.name}"


def password(api_key: str, user: str) -> str:
    """A password of the demo. It is useless elsewhere, and we do not store it."""
    return hmac.new(api_key.encode(), user.encode(), hashlib.sha256).hexdigest()[:32]
