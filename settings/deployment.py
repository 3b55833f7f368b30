"""The settings of a deployment, as typed models.

One YAML file under `deployments/` holds one `Deployment`. Defaults suit production;
each field's description says its unit and feeds the table in `docs/settings.md`.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Network
from typing import Annotated, Self

from pydantic import Field, field_validator, model_validator

from common.topology import Segment, Tier
from settings.base import NAME_PATTERN, REGION_PATTERN, Model, PrivateNetwork
from settings.consul import Consul
from settings.image import Image
from settings.network import MIN_SUBNET_PREFIX, Network
from settings.state import S3State
from settings.tenant import Tenant


class Deployment(Model):
    """Everything that one YAML file under `deployments/` says."""

    deployment: str = Field(description="name of the deployment; prefix of AWS resource names")
    region: str = Field(pattern=REGION_PATTERN, max_length=32, description="AWS region")
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
        description="private ranges that may read the metrics of SBC, router and rtpengine; "
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
        dns_names = [t.dns.name for t in self.tenants if t.dns is not None]
        for kind, values in (
            ("zones", self.zones),
            ("tenants", [t.name for t in self.tenants]),
            ("dns.name", dns_names),
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
