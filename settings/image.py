"""The machine image."""

from __future__ import annotations

from pydantic import Field

from settings.base import Model


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
