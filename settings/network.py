"""The VPC and its segments."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from ipaddress import IPv4Network
from typing import Literal, Self

from pydantic import Field, model_validator

from common.topology import Segment
from settings.base import LogDays, Model

MIN_SUBNET_PREFIX = 28  # smallest subnet that AWS allows
MAX_VPC_PREFIX = 16  # largest VPC that AWS allows; Kamailio node numbers rely on it


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
