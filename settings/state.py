"""Where Terraform keeps its state."""

from __future__ import annotations

from pydantic import Field

from settings.base import REGION_PATTERN, Model


class S3State(Model):
    """Remote Terraform state in S3, locked by a lock file beside it."""

    bucket: str = Field(
        min_length=3,
        max_length=63,
        pattern=r"^[a-z0-9]+((\.|-+)[a-z0-9]+)*$",
        description="name of an existing, versioned bucket",
    )
    region: str | None = Field(
        default=None,
        pattern=REGION_PATTERN,
        max_length=32,
        description="region of the bucket; default: the deployment's",
    )
    prefix: str = Field(
        default="c4",
        max_length=512,
        pattern=r"^[A-Za-z0-9!_.*'()-]+(/[A-Za-z0-9!_.*'()-]+)*$",
        description="key prefix",
    )
