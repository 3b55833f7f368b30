"""When new calls are refused."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from settings.base import Model


class Overload(Model):
    """When SBCs and routers refuse new calls with 503 and Retry-After."""

    new_calls_per_s: int = Field(
        default=300, ge=1, le=100000, description="new calls that one SBC takes per second"
    )
    new_calls_per_source_per_s: int | None = Field(
        default=None,
        ge=1,
        le=100000,
        description="new calls that one SBC takes per second from one address, at most "
        "`new_calls_per_s`; default: half of it",
    )
    queue_wait_ms: int = Field(
        default=100,
        ge=20,
        le=400,
        description="messages waiting longer than this in a node's queues make it refuse some new "
        "calls, and all of them at 100 ms more; ms. An SBC also lowers its admission rate, and "
        "counts its wait for routers",
    )
    open_lookups: int = Field(
        default=500,
        ge=10,
        le=100000,
        description="lookups at router-confd that one router may have open",
    )

    @property
    def source_share_per_s(self) -> int:
        """New calls per second that one SBC takes from one address."""
        return self.new_calls_per_source_per_s or max(1, self.new_calls_per_s // 2)

    @model_validator(mode="after")
    def _one_of_all(self) -> Self:
        if (self.new_calls_per_source_per_s or 0) > self.new_calls_per_s:
            raise ValueError(
                f"new_calls_per_source_per_s: {self.new_calls_per_source_per_s} must not exceed "
                f"new_calls_per_s {self.new_calls_per_s}"
            )
        return self
