"""How long the SIP plane waits, and for what."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from common.kamailio import RINGING_LIMIT_S
from settings.base import Model


class Timers(Model):
    """How long the SIP plane waits for others, and how long a call may take."""

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
    rtpengine_timeout_ms: int = Field(
        default=300,
        ge=100,
        le=4900,
        description="wait for an rtpengine's answer to a command, repeated five times meanwhile, "
        "before another one gets it, ms; less than `router_timeout_ms`, or a router that waits for "
        "a dead rtpengine is taken for dead itself",
    )
    registration_retry_s: int = Field(
        default=30,
        ge=5,
        le=3600,
        description="pause after a carrier refused the registration of a trunk, s",
    )

    @model_validator(mode="after")
    def _rtpengine_before_router(self) -> Self:
        if self.rtpengine_timeout_ms >= self.router_timeout_ms:
            raise ValueError(
                f"rtpengine_timeout_ms: {self.rtpengine_timeout_ms} must be less than "
                f"router_timeout_ms {self.router_timeout_ms}"
            )
        return self
