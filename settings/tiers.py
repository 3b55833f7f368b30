"""Sizes of the autoscaling groups."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from settings.base import INSTANCE_TYPE_PATTERN, Model


class TierSize(Model):
    """Size of one autoscaling group."""

    min: int = Field(default=2, ge=1, le=100, description="instances at least")
    max: int = Field(default=6, ge=1, le=100, description="instances at most")
    desired: int | None = Field(
        default=None, ge=1, le=100, description="instances at first; the default is `min`"
    )
    instance_type: str = Field(
        default="c6i.large", pattern=INSTANCE_TYPE_PATTERN, description="EC2 instance type"
    )
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
        description="Elastic IPs beyond `max`, for replacements of instances that still drain; "
        "no use for routers, which have none",
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
        description="Kamailio's shared memory, MiB. An SBC needs 50, plus 0.7 per call per second "
        "and 0.35 in reserve. It begins to refuse calls when less than 25 % is free, a router when "
        "less than 40 %",
    )
