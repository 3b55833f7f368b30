"""The settings of a deployment, as typed models.

One YAML file under `deployments/` holds one `Deployment`. Defaults suit production;
each field's description says its unit and feeds the table in `docs/settings.md`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from common.kamailio import RINGING_LIMIT_S, RINGING_MARGIN_S
from common.topology import Segment, Tier

NAME_PATTERN = r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$"
RESERVED_NAMES = frozenset({"network", "consul", "image"})  # names of the shared stacks
MIN_SUBNET_PREFIX = 28  # smallest subnet that AWS allows
MAX_VPC_PREFIX = 16  # largest VPC that AWS allows; Kamailio node numbers rely on it
_PEM_BEGIN = "-----BEGIN CERTIFICATE-----"
_PEM_END = "-----END CERTIFICATE-----"


# The only values that CloudWatch Logs takes.
LogDays = Literal[1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 3653]


class Model(BaseModel):
    """Immutable, and an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _private(network: IPv4Network) -> IPv4Network:
    if not network.is_private or network.prefixlen < 8:
        raise ValueError(
            "must be a private range, e.g. 10.0.0.0/8: it is reached by VPN or peering"
        )
    return network


def check_certificates(text: str) -> None:
    """Raises `ValueError` unless `text` is nothing but certificates in PEM."""
    from cryptography import x509

    bodies = re.findall(f"{_PEM_BEGIN}[^-]+{_PEM_END}", text)
    rest = re.sub(f"{_PEM_BEGIN}[^-]+{_PEM_END}", "", text)
    if not bodies or rest.strip():
        raise ValueError(f"must be certificates in PEM, each {_PEM_BEGIN} ... {_PEM_END}")
    for number, body in enumerate(bodies, 1):
        try:
            x509.load_pem_x509_certificate(body.encode())
        except ValueError:
            raise ValueError(f"certificate {number} is damaged: must be X.509 in PEM") from None


PrivateNetwork = Annotated[IPv4Network, AfterValidator(_private)]


class InterfaceEndpoint(StrEnum):
    """AWS service that instances reach inside the VPC, without NAT or internet."""

    EC2 = "ec2"  # Consul's join by tag, claim of an Elastic IP
    SECRETS_MANAGER = "secretsmanager"
    AUTOSCALING = "autoscaling"  # lifecycle hooks
    RDS = "rds"  # router-confd looks its database up
    CLOUDWATCH = "monitoring"  # metrics that scaling follows


class SegmentRanges(Model):
    """Address range of each segment; it is divided evenly over the zones."""

    edge: IPv4Network = Field(description="public; SBC instances")
    internal: IPv4Network = Field(description="private; routers, router-confd, Consul servers")
    media: IPv4Network = Field(description="public; rtpengine instances")
    data: IPv4Network = Field(description="isolated; PostgreSQL")

    def items(self) -> Iterator[tuple[Segment, IPv4Network]]:
        for segment in Segment:
            yield segment, getattr(self, segment.value)


class Network(Model):
    """The VPC, shared by all tenants of the deployment."""

    cidr: IPv4Network = Field(
        default=IPv4Network("10.40.0.0/16"), description="address range of the VPC, /16 to /24"
    )
    segments: SegmentRanges = Field(
        default=SegmentRanges(
            edge=IPv4Network("10.40.0.0/20"),
            internal=IPv4Network("10.40.64.0/18"),
            media=IPv4Network("10.40.16.0/20"),
            data=IPv4Network("10.40.32.0/22"),
        ),
        description="address range of each segment, inside `cidr`",
    )
    nat_gateways: Literal["one", "per-zone"] = Field(
        default="per-zone", description="NAT gateways for the internal segment"
    )
    interface_endpoints: frozenset[InterfaceEndpoint] = Field(
        default=frozenset(InterfaceEndpoint),
        description="AWS services with an interface endpoint in every zone, each billed per hour; "
        "without them instances boot through NAT or a public address",
    )
    flow_log_days: LogDays = Field(default=90, description="retention of VPC flow logs, days")

    @model_validator(mode="after")
    def _ranges(self) -> Self:
        problems = []
        if not MAX_VPC_PREFIX <= self.cidr.prefixlen <= 24:
            problems.append(f"cidr: {self.cidr} must be a /16 to /24")
        ranges = list(self.segments.items())
        for segment, net in ranges:
            if not net.subnet_of(self.cidr):
                problems.append(f"segments.{segment}: {net} must lie inside cidr {self.cidr}")
        for i, (a, net_a) in enumerate(ranges):
            for b, net_b in ranges[i + 1 :]:
                if net_a.overlaps(net_b):
                    problems.append(
                        f"segments.{b}: {net_b} overlaps segments.{a} {net_a}; "
                        "ranges must be disjoint"
                    )
        if problems:
            raise ValueError("\n".join(problems))
        return self


class Consul(Model):
    """The Consul server group, shared by all tenants."""

    servers: int = Field(default=3, description="number of servers: 3 or 5")
    instance_type: str = Field(default="t3.small", description="EC2 instance type")
    disk_gb: int = Field(default=16, ge=8, le=16384, description="encrypted root volume, GiB")
    recover_after_s: int = Field(
        default=60,
        ge=10,
        description="time without a leader, after which a server goes on alone when most of the "
        "others are terminated, s",
    )

    @field_validator("servers")
    @classmethod
    def _odd(cls, value: int) -> int:
        if value not in (3, 5):
            raise ValueError("must be 3 or 5: an even number adds no fault tolerance")
        return value


class TierSize(Model):
    """Size of one autoscaling group."""

    min: int = Field(default=2, ge=1, le=100, description="instances at least")
    max: int = Field(default=6, ge=1, le=100, description="instances at most")
    desired: int | None = Field(
        default=None, ge=1, le=100, description="instances at first; the default is `min`"
    )
    instance_type: str = Field(default="c6i.large", description="EC2 instance type")
    disk_gb: int = Field(default=16, ge=8, le=16384, description="encrypted root volume, GiB")

    @model_validator(mode="after")
    def _order(self) -> Self:
        if self.min > self.max:
            raise ValueError(f"min: {self.min} must not exceed max {self.max}")
        if self.desired is not None and not self.min <= self.desired <= self.max:
            raise ValueError(
                f"desired: {self.desired} must lie between min {self.min} and max {self.max}"
            )
        return self

    @property
    def initial(self) -> int:
        """Desired capacity when the group is created."""
        return self.min if self.desired is None else self.desired


class CallTierSize(TierSize):
    """Size of a tier that carries calls; it scales on them."""

    calls_per_instance: int = Field(
        default=500, ge=1, le=100_000, description="average active calls per instance to scale to"
    )
    spare_addresses: int = Field(
        default=1,
        ge=0,
        le=100,
        description="Elastic IPs beyond `max`, for replacements of instances that still drain "
        "(SBC and RTPEngine tiers)",
    )
    drain_s: int = Field(
        default=3600,
        ge=60,
        le=172_800,
        description="limit of waiting for the calls of an instance that shall stop, s",
    )


class KamailioSize(CallTierSize):
    """Size of a Kamailio tier."""

    workers: int = Field(default=4, ge=1, le=64, description="SIP worker processes per socket")
    shared_memory_mb: int = Field(
        default=1024,
        ge=128,
        le=2047,  # $stat(free_size) has 32 bits and a sign
        description="Kamailio shared memory, MiB; an SBC needs 50, and for each call per second "
        "0.7 and 0.35 in reserve: it refuses calls from 25 % free down, a router from 40 %",
    )


class DispatchAlgorithm(StrEnum):
    """How the SBC picks a router for a new call."""

    ROUND_ROBIN = "round-robin"
    WEIGHT = "weight"
    CALL_LOAD = "call-load"  # the fewest calls of the tier at this moment
    CALL_ID_HASH = "call-id-hash"

    @property
    def kamailio_id(self) -> int:
        """Number of the algorithm in Kamailio's dispatcher module.

        For the call load it only orders the routers that have equally many calls.
        """
        return {"call-id-hash": 0, "round-robin": 4, "weight": 11, "call-load": 4}[self.value]


class Sip(Model):
    """Timers and limits of a tenant's SIP plane."""

    dispatch: DispatchAlgorithm = Field(
        default=DispatchAlgorithm.ROUND_ROBIN, description="choice of the router for a new call"
    )
    router_timeout_ms: int = Field(
        default=500,
        ge=200,
        le=5000,
        description="wait for a router's first reply before failover, ms",
    )
    probe_interval_s: int = Field(
        default=1, ge=1, le=60, description="interval of OPTIONS probes towards routers, s"
    )
    ringing_timeout_s: int = Field(
        default=120, ge=10, le=RINGING_LIMIT_S, description="limit of ringing, s"
    )
    callee_timeout_ms: int = Field(
        default=5000, ge=500, le=32000, description="wait for a carrier's or PBX's first reply, ms"
    )
    max_call_s: int = Field(
        default=43200, ge=60, le=604800, description="limit of a call from its answer on, s"
    )
    lookup_timeout_ms: int = Field(
        default=2000, ge=100, le=10000, description="wait for one router-confd answer, ms"
    )
    media_timeout_ms: int = Field(
        default=300,
        ge=100,
        le=4900,
        description="wait for an rtpengine's answer to a command, repeated five times meanwhile, "
        "before another one gets it; less than `router_timeout_ms`, or a router that waits for a "
        "dead one is taken for dead itself, ms",
    )
    max_message_bytes: int = Field(
        default=16384,
        ge=2048,
        le=65000,
        description="largest SIP message accepted from outside, bytes",
    )
    max_headers: int = Field(
        default=80, ge=20, le=95, description="header fields accepted in a message from outside"
    )
    max_forwards: int = Field(default=70, ge=10, le=255, description="limit of Max-Forwards")
    flood_requests: int = Field(
        default=200,
        ge=10,
        le=100000,
        description="requests that one unknown source may send per `flood_window_s` before a ban",
    )
    flood_window_s: int = Field(default=2, ge=1, le=60, description="window of flood detection, s")
    known_s: int = Field(
        default=86400,
        ge=3600,
        le=2_592_000,
        description="how long a source with an accepted call is no stranger, s; "
        "longer than `max_call_s`, as only known sources are heard within a call",
    )
    known_packets_per_s: int = Field(
        default=4000,
        ge=100,
        le=1_000_000,
        description="UDP packets per second of one known source; the kernel drops more",
    )
    stranger_packets_per_s: int = Field(
        default=150,
        ge=10,
        le=100_000,
        description="UDP packets per second of one unknown source; with more its packets are "
        "dropped by the kernel for `ban_s`",
    )
    strangers_packets_per_s: int = Field(
        default=1000,
        ge=100,
        le=1_000_000,
        description="UDP packets per second of all unknown sources together; the kernel drops more",
    )
    ban_s: int = Field(default=300, ge=10, le=86400, description="length of a ban, s")
    stranger_calls: int = Field(
        default=20,
        ge=1,
        le=10000,
        description="new calls that a source without accepted calls may try per 10 s; rest dropped",
    )
    registration_retry_s: int = Field(
        default=30,
        ge=5,
        le=3600,
        description="pause after a carrier refused the registration of a trunk, s",
    )
    login_failures: int = Field(
        default=10, ge=1, le=1000, description="refused logins of a source per minute before a ban"
    )
    account_login_failures: int = Field(
        default=20,
        ge=1,
        le=10_000,
        description="refused logins of an account per minute, from whatever source, before sources "
        "without accepted calls get 403 for it",
    )
    max_new_calls_per_s: int = Field(
        default=300,
        ge=1,
        le=100000,
        description="new calls that one SBC takes per second; more get 503 with Retry-After",
    )
    source_calls_per_s: int | None = Field(
        default=None,
        ge=1,
        le=100000,
        description="new calls that one SBC takes per second from one address; more get 503 with "
        "Retry-After; default: half of `max_new_calls_per_s`",
    )
    overload_ms: int = Field(
        default=100,
        ge=20,
        le=400,
        description="wait of messages in a node's queues from which it refuses new calls with 503 "
        "and Retry-After, from 100 ms more all of them; an SBC then also lowers the rate of new "
        "calls that it takes, and counts what it waits for the routers, ms",
    )
    max_lookups: int = Field(
        default=500,
        ge=10,
        le=100000,
        description="questions to router-confd that a router has open; more calls get 503 with "
        "Retry-After",
    )
    max_connections: int = Field(
        default=2048,
        ge=16,
        le=65535,
        description="TCP and TLS connections that one SBC keeps; about 60 kB of shared memory each",
    )
    connections_per_source: int = Field(
        default=64, ge=1, le=65535, description="TCP and TLS connections that one address may open"
    )
    new_connections_per_s: int = Field(
        default=20,
        ge=1,
        le=10_000,
        description="TCP and TLS connections that one address may open per second, twice "
        "`connections_per_source` at once; the kernel drops more",
    )
    connection_kbytes_per_s: int = Field(
        default=1000,
        ge=50,
        le=100_000,
        description="kilobytes per second that the kernel takes from one address over TCP and TLS; "
        "a call sends about 5",
    )
    stranger_idle_s: int = Field(
        default=30,
        ge=5,
        le=3600,
        description="the same as `connection_idle_s` for a source without accepted calls, s",
    )
    connection_idle_s: int = Field(
        default=3600,
        ge=30,
        le=86400,
        description="an idle TCP or TLS connection is closed after this time, s; the way back to a "
        "PBX behind NAT ends with it",
    )
    tls_verify: bool = Field(
        default=True,
        description="where an SBC opens a TLS connection, refuse a certificate that no authority "
        "of `tls_authorities` signed; the name in the certificate is not compared, so name the "
        "carriers' own authorities there where that matters",
    )
    tls_authorities: str | None = Field(
        default=None,
        description="authorities trusted by `tls_verify`, PEM: those of the carriers, or the PBXs' "
        "own; default: the public ones of the image. An SBC's user data has room for about 1.2 kB",
    )
    homer: str | None = Field(
        default=None,
        description="`address:port` of a Homer capture server, IPv4; it gets a copy of every SIP "
        "message of a call from SBCs and routers, unencrypted (HEP 3 over UDP): let it be reached "
        "privately; default: no capture",
    )

    @property
    def ringing_end_s(self) -> int:
        """Nothing of a call that rang and was not answered is left by then, s."""
        return self.ringing_timeout_s + RINGING_MARGIN_S

    @model_validator(mode="after")
    def _media_first(self) -> Self:
        if self.media_timeout_ms >= self.router_timeout_ms:
            raise ValueError(
                f"media_timeout_ms: {self.media_timeout_ms} must be less than router_timeout_ms "
                f"{self.router_timeout_ms}"
            )
        return self

    @field_validator("homer")
    @classmethod
    def _address_and_port(cls, value: str | None) -> str | None:
        """An address: looking up a name would make calls wait for a name server."""
        if value is None:
            return None
        address, _, port = value.rpartition(":")
        try:
            IPv4Address(address)
        except ValueError:
            raise ValueError("must be an IPv4 address and a port, e.g. 10.9.0.4:9060") from None
        if not re.fullmatch("[1-9][0-9]{0,4}", port) or int(port) > 65535:
            raise ValueError("must end with a port, 1 to 65535")
        return value

    @property
    def calls_of_a_source_per_s(self) -> int:
        """What one address may have of an SBC's new calls."""
        return self.source_calls_per_s or max(1, self.max_new_calls_per_s // 2)

    @property
    def homer_target(self) -> tuple[IPv4Address, int] | None:
        """Address and port of the capture server."""
        if self.homer is None:
            return None
        address, _, port = self.homer.rpartition(":")
        return IPv4Address(address), int(port)

    @field_validator("tls_authorities")
    @classmethod
    def _pem(cls, value: str | None) -> str | None:
        if value is not None:
            check_certificates(value)
        return value


CallLimit = Annotated[int | None, Field(ge=1, le=1_000_000)]


class Limits(Model):
    """Limits for what router-confd sets none for; a tenant here is one of router-confd."""

    tenant_calls: CallLimit = Field(
        default=None, description="calls of a tenant at the same time; default: no limit"
    )
    tenant_calls_per_s: CallLimit = Field(
        default=None, description="new calls of a tenant per second; default: no limit"
    )
    pbx_calls: CallLimit = Field(
        default=None, description="calls from and to a PBX at the same time; default: no limit"
    )
    pbx_calls_per_s: CallLimit = Field(
        default=None, description="new calls from and to a PBX per second; default: no limit"
    )
    trunk_calls: CallLimit = Field(
        default=None,
        description="calls from and to a carrier trunk at the same time; default: no limit",
    )
    trunk_calls_per_s: CallLimit = Field(
        default=None,
        description="new calls from and to a carrier trunk per second; default: no limit",
    )


class Database(Model):
    """The tenant's PostgreSQL on RDS."""

    instance_class: str = Field(default="db.m6g.large", description="RDS instance class")
    storage_gb: int = Field(
        default=50, ge=20, le=16384, description="allocated storage, GiB; grows up to four times it"
    )
    multi_az: bool = Field(default=True, description="standby in a second zone")
    backup_days: int = Field(default=14, ge=0, le=35, description="retention of backups, days")
    deletion_protection: bool = Field(default=True, description="refuse deletion by Terraform")
    final_snapshot: bool = Field(default=True, description="take a snapshot before deletion")
    log_days: LogDays = Field(default=90, description="retention of the database's log, days")


class SipName(Model):
    """Public DNS name of a tenant's SBCs, in Route 53."""

    name: str = Field(
        max_length=253,
        pattern=r"^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}$",
        description="host name in small letters, e.g. `sip.acme.example`",
    )
    zone_id: str = Field(
        pattern=r"^Z[A-Z0-9]{1,31}$", description="id of the existing public hosted zone"
    )
    ttl_s: int = Field(
        default=30, ge=5, le=86400, description="how long resolvers may keep an answer, s"
    )


class Tenant(Model):
    """One tenant: one Terraform stack of its own."""

    name: str = Field(
        description="stack name and prefix of Consul services; [a-z0-9-], 2 to 20 characters"
    )
    sbc: KamailioSize = Field(default=KamailioSize(), description="SBC tier")
    router: KamailioSize = Field(default=KamailioSize(), description="router tier")
    rtp: CallTierSize = Field(default=CallTierSize(), description="RTPEngine tier")
    router_confd: TierSize = Field(
        default=TierSize(max=4, instance_type="t3.medium"), description="router-confd tier"
    )
    sip: Sip = Field(default=Sip(), description="timers and limits of the SIP plane")
    limits: Limits = Field(
        default=Limits(), description="limits of calls where router-confd sets none"
    )
    database: Database = Field(default=Database(), description="PostgreSQL on RDS")
    sip_name: SipName | None = Field(
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


class S3State(Model):
    """Remote Terraform state in S3, locked by a lock file beside it."""

    bucket: str = Field(description="name of an existing, versioned bucket")
    region: str | None = Field(
        default=None, description="region of the bucket; default: the deployment's"
    )
    prefix: str = Field(default="c4", description="key prefix")


class Image(Model):
    """The machine image that all instances boot."""

    id: str | None = Field(
        default=None,
        pattern=r"^ami-[0-9a-f]{8,17}$",
        description="AMI id; default: the newest own image whose name matches `name`",
    )
    name: str = Field(
        default="c4-debian13-*",
        pattern=r"^[A-Za-z0-9 ()./'@_-]+\*$",
        description="name filter of the AMI look-up; EC2 Image Builder puts the date for `*`",
    )
    build_instance_type: str = Field(
        default="c6i.large", description="EC2 instance type that the image is built on"
    )
    disk_gb: int = Field(default=8, ge=8, le=1024, description="root volume of the image, GiB")


class Deployment(Model):
    """Everything that one YAML file under `deployments/` says."""

    deployment: str = Field(description="name of the deployment; prefix of AWS resource names")
    region: str = Field(pattern=r"^[a-z]{2}(-[a-z]+)+-\d$", description="AWS region")
    zones: Annotated[list[str], Field(min_length=2, max_length=6)] = Field(
        description="availability zones, three in production"
    )
    network: Network = Field(default=Network(), description="VPC and segments")
    consul: Consul = Field(default=Consul(), description="Consul server group")
    image: Image = Field(default=Image(), description="machine image")
    state: S3State | None = Field(default=None, description="remote state; default: local files")
    alarm_topic: str | None = Field(
        default=None,
        pattern=r"^arn:aws[a-z-]*:sns:[a-z0-9-]+:\d{12}:[A-Za-z0-9_-]{1,256}$",
        description="ARN of an SNS topic for alarms about groups and databases; default: no alarms",
    )
    detailed_monitoring: bool = Field(
        default=False, description="EC2 metrics every minute instead of every 5, billed"
    )
    metrics_sources: list[PrivateNetwork] = Field(
        default_factory=list,
        description="private ranges that may read the metrics of SBC, router and RTPEngine; "
        "default: none",
    )
    tenants: list[Tenant] = Field(default_factory=list, description="tenants, one stack each")

    @field_validator("deployment")
    @classmethod
    def _deployment_name(cls, value: str) -> str:
        if not re.match(NAME_PATTERN, value) or not 2 <= len(value) <= 20:
            raise ValueError(
                "must be 2 to 20 of a-z, 0-9 and single hyphens, beginning with a letter"
            )
        return value

    @model_validator(mode="after")
    def _whole(self) -> Self:
        problems = []
        for zone in self.zones:
            if not re.fullmatch(re.escape(self.region) + "[a-z]", zone):
                problems.append(
                    f"zones: {zone!r} must be a zone of region {self.region}, e.g. {self.region}a"
                )
        if self.alarm_topic is not None and self.alarm_topic.split(":")[3] != self.region:
            problems.append(
                f"alarm_topic: {self.alarm_topic!r} must be a topic of region {self.region}"
            )
        sip_names = [t.sip_name.name for t in self.tenants if t.sip_name is not None]
        for kind, values in (
            ("zones", self.zones),
            ("tenants", [t.name for t in self.tenants]),
            ("sip_name.name", sip_names),
        ):
            for value in sorted({v for v in values if values.count(v) > 1}):
                problems.append(f"{kind}: {value!r} is given more than once; each must be unique")
        for segment, net in self.network.segments.items():
            bits = (len(self.zones) - 1).bit_length()
            if net.prefixlen + bits > MIN_SUBNET_PREFIX:
                problems.append(
                    f"network.segments.{segment}: {net} is too small for {len(self.zones)} "
                    f"subnets; at least a /{MIN_SUBNET_PREFIX - bits} is needed"
                )
        disks = [("consul.disk_gb", self.consul.disk_gb)]
        for i, tenant in enumerate(self.tenants):
            for tier in Tier:
                field = f"tenants.{i}.{tier.replace('-', '_')}.disk_gb"
                disks.append((field, tenant.size(tier).disk_gb))
        for field, size in disks:
            if size < self.image.disk_gb:
                problems.append(
                    f"{field}: {size} must be at least image.disk_gb, {self.image.disk_gb}"
                )
        if problems:
            raise ValueError("\n".join(problems))
        return self

    def subnets(self, segment: Segment) -> dict[str, IPv4Network]:
        """Subnet of each zone, in the order of `zones`."""
        net: IPv4Network = getattr(self.network.segments, segment.value)
        bits = (len(self.zones) - 1).bit_length()
        return dict(zip(self.zones, net.subnets(prefixlen_diff=bits), strict=False))
