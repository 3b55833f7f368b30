"""TCP and TLS connections of an SBC."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from settings.base import Model


class Connections(Model):
    """TCP and TLS connections of one SBC."""

    max: int = Field(
        default=2048,
        ge=16,
        le=65535,
        description="connections that one SBC keeps; about 60 kB of shared memory each",
    )
    per_source: int = Field(
        default=64,
        ge=1,
        le=65535,
        description="connections that one address may have open, at most `max`",
    )
    new_per_source_per_s: int = Field(
        default=20,
        ge=1,
        le=10_000,
        description="connections that one address may open per second, twice `per_source` at once; "
        "the kernel drops more",
    )
    kbytes_per_source_per_s: int = Field(
        default=1000,
        ge=50,
        le=100_000,
        description="kilobytes per second that the kernel takes from one address; "
        "a call sends about 5",
    )
    idle_s: int = Field(
        default=3600,
        ge=30,
        le=86400,
        description="an idle connection is closed after this time, s; the way back to a PBX "
        "behind NAT ends with it",
    )
    untrusted_idle_s: int = Field(
        default=30,
        ge=5,
        le=3600,
        description="the same for a source without accepted calls, s; at most `idle_s`",
    )

    @model_validator(mode="after")
    def _order(self) -> Self:
        problems = []
        if self.per_source > self.max:
            problems.append(f"per_source: {self.per_source} must not exceed max {self.max}")
        if self.untrusted_idle_s > self.idle_s:
            problems.append(
                f"untrusted_idle_s: {self.untrusted_idle_s} must not exceed idle_s {self.idle_s}"
            )
        if problems:
            raise ValueError("\n".join(problems))
        return self
