"""Facts that every part of the product shares: tiers, segments, ports, names.

Stacks, templates, agent, lab and tests import them from here; nothing repeats them.
What an operator may choose is not a fact but a setting (`settings.models`).
"""

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
    """A group of equal instances of one tenant."""

    SBC = "sbc"
    ROUTER = "router"
    RTP = "rtp"
    CONFD = "router-confd"

    @property
    def segment(self) -> Segment:
        """The segment whose subnets the tier's autoscaling group uses."""
        return {
            Tier.SBC: Segment.EDGE,
            Tier.ROUTER: Segment.INTERNAL,
            Tier.RTP: Segment.MEDIA,
            Tier.CONFD: Segment.INTERNAL,
        }[self]

    @property
    def has_public_address(self) -> bool:
        """True when each instance claims an Elastic IP of the tier's pool at boot."""
        return self.segment.is_public

    @property
    def runs_kamailio(self) -> bool:
        return self in (Tier.SBC, Tier.ROUTER)


CONSUL_SERVER: Final = "consul"  # role of the shared server group; not a tenant's tier

# --- ports ---------------------------------------------------------------------------------
SIP_PORT: Final = 5060  # SBC, outside: UDP and TCP
SIPS_PORT: Final = 5061  # SBC, outside: TLS
SIP_INTERNAL_PORT: Final = 5070  # SBC <-> router, UDP
DMQ_PORT: Final = 5090  # Kamailio <-> Kamailio of the same tier, UDP
KAMAILIO_HTTP_PORT: Final = 8060  # /metrics and /health, internal address only, TCP
RTP_PORT_MIN: Final = 30000  # rtpengine, outside: UDP, the lowest
RTP_PORT_MAX: Final = 39999  # the highest
RTPENGINE_NG_PORT: Final = 2223  # router -> rtpengine control, UDP
RTPENGINE_HTTP_PORT: Final = 2224  # rtpengine /metrics, internal address only, TCP
CONFD_KAMAILIO_PORT: Final = 9600  # Kamailio endpoints, /status, /metrics; internal, no token
CONFD_API_PORT: Final = 9601  # management API; token or API key required, TLS
POSTGRES_PORT: Final = 5432  # router-confd -> PostgreSQL, TCP with TLS
CONSUL_RPC_PORT: Final = 8300  # servers
CONSUL_SERF_PORT: Final = 8301  # everybody, TCP and UDP
CONSUL_HTTP_PORT: Final = 8500  # loopback only
CONSUL_DNS_PORT: Final = 8600  # loopback only
AGENT_METRICS_PORT: Final = 9100  # agent: answers Consul's checks, metrics, TCP

# --- names ---------------------------------------------------------------------------------
DISPATCHER_SET_NEW: Final = 1  # routers that take new calls
DISPATCHER_SET_ALL: Final = 2  # routers for requests within dialogs
# Above those of single rtpengines, whose numbers are the low 16 bits of their addresses.
RTPENGINE_SET_MOVED: Final = 65_536
DISPATCHER_SET_LAST: Final = 3  # as 1, never probed: for when probing finds all dead
USER_DATA_LIMIT: Final = 16_384  # bytes before base64, EC2

TAG_DEPLOYMENT: Final = "c4:deployment"
TAG_TENANT: Final = "c4:tenant"
TAG_ROLE: Final = "c4:role"  # a Tier's value, or CONSUL_SERVER
# On an Elastic IP: when an instance took it, until that one has drained; on a free one: it died.
TAG_HELD: Final = "c4:held"
TAG_CONSUL: Final = "c4:consul"  # on Consul servers only, for `retry_join`: the deployment

HOOK_LAUNCHING: Final = "launching"  # lifecycle hooks of every group, completed by the agent
HOOK_TERMINATING: Final = "terminating"
# CloudWatch, namespace `metric_namespace()`, dimension AutoScalingGroupName; scaling follows it
METRIC_ACTIVE_CALLS: Final = "ActiveCalls"
SBC_TLS: Final = "sbc-tls"  # part of a secret's name: certificate and key of a tenant's SBCs
DATABASE_NAME: Final = "router_confd"
RINGING_LIMIT_S: Final = 600  # most that `sip.ringing_timeout_s` may be
RINGING_MARGIN_S: Final = 60  # from the end of ringing to that of its transaction
RECORD_TEXT: Final = 256  # characters of a text in a call record, router-confd refuses more


def service_name(tenant: str, tier: Tier) -> str:
    """Consul service name of a tenant's tier, e.g. `acme-router`."""
    return f"{tenant}-{tier}"


def node_prefix(owner: str, tier: Tier | None = None) -> str:
    """Prefix of the Consul node names of a tenant, of its tier, or of the servers: `acme--sbc--`.

    No name contains two hyphens in a row, so no tenant's prefix is part of another's.
    """
    return f"{owner}--" if tier is None else f"{owner}--{tier}--"


def sources_key(tenant: str) -> str:
    """Key in Consul under which a router's agent tells the SBCs who may call: `c4/acme/sources`."""
    return f"{key_prefix(tenant)}sources"


def key_prefix(tenant: str) -> str:
    """Prefix of a tenant's keys in Consul, part of no other's: `c4/acme/`."""
    return f"c4/{tenant}/"


def record_route_name(tenant: str, tier: Tier) -> str:
    """Logical host of a tier in Record-Route headers, e.g. `router.acme.c4.internal`.

    Nothing resolves it: every Kamailio of the tier has it as an alias.
    """
    return f"{tier}.{tenant}.c4.internal"


def resource_name(deployment: str, *parts: str) -> str:
    """Name of an AWS resource: `c4-<deployment>-<part>-...`."""
    return "-".join(("c4", deployment, *parts))


def secret_name(deployment: str, *parts: str) -> str:
    """Name in Secrets Manager: `c4/<deployment>/<part>/...`."""
    return "/".join(("c4", deployment, *parts))


def token_secret(deployment: str, tenant: str, tier: Tier) -> str:
    """Name of the secret with the token of a tier's Consul agents."""
    return secret_name(deployment, tenant, CONSUL_SERVER, tier)


def metric_namespace(deployment: str) -> str:
    """CloudWatch namespace of the deployment's metrics: `C4/<deployment>`."""
    return f"C4/{deployment}"
