"""The Consul server group."""

from __future__ import annotations

from pydantic import Field, field_validator

from settings.base import INSTANCE_TYPE_PATTERN, Model


class Consul(Model):
    """The Consul server group, shared by all tenants."""

    servers: int = Field(default=3, description="number of servers: 3 or 5")
    instance_type: str = Field(
        default="t3.small",
        pattern=INSTANCE_TYPE_PATTERN,
        description="EC2 instance type",
    )
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
