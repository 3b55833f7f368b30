"""What an SBC takes from outside, and from whom."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from settings.base import Model


class Edge(Model):
    """What an SBC takes from outside. An accepted call makes both of its ends trusted."""

    max_message_bytes: int = Field(
        default=16384,
        ge=2048,
        le=65000,
        description="largest SIP message accepted from outside, bytes",
    )
    max_headers: int = Field(
        default=80, ge=20, le=95, description="header fields accepted in a message from outside"
    )
    flood_requests: int = Field(
        default=200,
        ge=10,
        le=100000,
        description="requests that one untrusted source may send per `flood_window_s` before a ban",
    )
    flood_window_s: int = Field(default=2, ge=1, le=60, description="window of flood detection, s")
    ban_s: int = Field(default=300, ge=10, le=86400, description="length of a ban, s")
    trusted_s: int = Field(
        default=86400,
        ge=3600,
        le=2_592_000,
        description="how long a source stays trusted after an accepted call, s; longer than "
        "`sip.timers.max_call_s`, as only trusted sources are heard within a call",
    )
    trusted_packets_per_s: int = Field(
        default=4000,
        ge=100,
        le=1_000_000,
        description="UDP packets per second of one trusted source; the kernel drops more",
    )
    untrusted_packets_per_s: int = Field(
        default=150,
        ge=10,
        le=100_000,
        description="UDP packets per second of one untrusted source; if it sends more, the kernel "
        "drops all its packets for `ban_s`",
    )
    all_untrusted_packets_per_s: int = Field(
        default=1000,
        ge=100,
        le=1_000_000,
        description="UDP packets per second of all untrusted sources together, so not less than "
        "`untrusted_packets_per_s`; the kernel drops more",
    )
    untrusted_calls_per_10s: int = Field(
        default=20,
        ge=1,
        le=10000,
        description="new calls that one untrusted source may try per 10 s; more are dropped",
    )
    login_failures_per_min: int = Field(
        default=10, ge=1, le=1000, description="refused logins of a source per minute before a ban"
    )
    account_login_failures_per_min: int = Field(
        default=20,
        ge=1,
        le=10_000,
        description="refused logins of an account per minute, from whatever source, before "
        "untrusted sources get 403 for it",
    )

    @model_validator(mode="after")
    def _one_of_all(self) -> Self:
        if self.untrusted_packets_per_s > self.all_untrusted_packets_per_s:
            raise ValueError(
                f"untrusted_packets_per_s: {self.untrusted_packets_per_s} must not exceed "
                f"all_untrusted_packets_per_s {self.all_untrusted_packets_per_s}"
            )
        return self
