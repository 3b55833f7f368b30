"""The tiers of a tenant, and the segments of the VPC that contain them."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Segment(StrEnum):
    """A slice of the VPC; each has one subnet per availability zone."""

    EDGE = "edge"  # public: SBC
    INTERNAL = "internal"  # private: routers, router-confd, Consul servers
    MEDIA = "media"  # public: rtpengine
    DATA = "data"  # isolated: PostgreSQL

    @property
    def is_public(self) -> bool:
        """True when the segment's default route is the internet gateway."""
        return self in (Segment.EDGE, Segment.MEDIA)


class Tier(StrEnum):
    """A group of identical instances of one tenant."""

    SBC = "sbc"
    ROUTER = "router"
    RTP = "rtp"
    ROUTER_CONFD = "router-confd"

    @property
    def segment(self) -> Segment:
        """The segment whose subnets the tier's autoscaling group uses."""
        return {
            Tier.SBC: Segment.EDGE,
            Tier.ROUTER: Segment.INTERNAL,
            Tier.RTP: Segment.MEDIA,
            Tier.ROUTER_CONFD: Segment.INTERNAL,
        }[self]

    @property
    def has_public_address(self) -> bool:
        """True when each instance claims an Elastic IP of the tier's pool at boot."""
        return self.segment.is_public

    @property
    def runs_kamailio(self) -> bool:
        return Role(self.value).runs_kamailio


CONSUL_SERVER: Final = "consul"  # role of the shared server group; not a tenant's tier


class Role(StrEnum):
    """The role of an instance: a tier of a tenant, or Consul server."""

    SBC = Tier.SBC.value
    ROUTER = Tier.ROUTER.value
    RTP = Tier.RTP.value
    ROUTER_CONFD = Tier.ROUTER_CONFD.value
    CONSUL_SERVER = CONSUL_SERVER

    @property
    def runs_kamailio(self) -> bool:
        return self in (Role.SBC, Role.ROUTER)

    @property
    def carries_calls(self) -> bool:
        return self.runs_kamailio or self is Role.RTP
