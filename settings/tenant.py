"""One tenant of a deployment."""

from __future__ import annotations

import re

from pydantic import Field, field_validator

from common.topology import Tier
from settings.base import NAME_PATTERN, Model, PrivateNetwork
from settings.database import Database
from settings.dns import DnsName
from settings.limits import Limits
from settings.sip import Sip
from settings.tiers import CallTierSize, KamailioSize, TierSize

RESERVED_NAMES = frozenset({"network", "consul", "image"})  # names of the shared stacks


class Tenant(Model):
    """One tenant: one Terraform stack of its own."""

    name: str = Field(
        description="stack name and prefix of Consul services; [a-z0-9-], 2 to 20 characters"
    )
    sbc: KamailioSize = Field(default=KamailioSize(), description="SBC tier")
    router: KamailioSize = Field(default=KamailioSize(), description="router tier")
    rtp: CallTierSize = Field(default=CallTierSize(), description="rtpengine tier")
    router_confd: TierSize = Field(
        default=TierSize(max=4, instance_type="t3.medium"), description="router-confd tier"
    )
    sip: Sip = Field(default=Sip(), description="how SBCs and routers treat SIP")
    limits: Limits = Field(
        default=Limits(), description="limits of calls where router-confd sets none"
    )
    database: Database = Field(default=Database(), description="PostgreSQL on RDS")
    dns: DnsName | None = Field(
        default=None,
        description="public name with NAPTR, SRV and health-checked A records; default: none, "
        "carriers and PBXs are given addresses",
    )
    api_sources: list[PrivateNetwork] = Field(
        default_factory=list,
        description="private ranges that may use router-confd's management API; default: none",
    )

    @field_validator("name")
    @classmethod
    def _name(cls, value: str) -> str:
        if not re.match(NAME_PATTERN, value) or not 2 <= len(value) <= 20:
            raise ValueError(
                "must be 2 to 20 of a-z, 0-9 and single hyphens, beginning with a letter"
            )
        if value in RESERVED_NAMES:
            raise ValueError(f"must not be one of the shared stacks {sorted(RESERVED_NAMES)}")
        return value

    def size(self, tier: Tier) -> TierSize:
        """Settings of one tier's autoscaling group."""
        return {
            Tier.SBC: self.sbc,
            Tier.ROUTER: self.router,
            Tier.RTP: self.rtp,
            Tier.ROUTER_CONFD: self.router_confd,
        }[tier]
