"""Where Terraform keeps its state."""

from __future__ import annotations

from pydantic import Field

from settings.base import Model


class S3State(Model):
    """Remote Terraform state in S3, locked by a lock file beside it."""

    bucket: str = Field(description="name of an existing, versioned bucket")
    region: str | None = Field(
        default=None, description="region of the bucket; default: the deployment's"
    )
    prefix: str = Field(default="c4", description="key prefix")
