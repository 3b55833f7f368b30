"""Timers and limits of the SIP plane."""

from __future__ import annotations

import re
from enum import StrEnum
from ipaddress import IPv4Address
from typing import Self

from pydantic import Field, field_validator, model_validator

from common.kamailio import RINGING_LIMIT_S, RINGING_MARGIN_S
from settings.base import Model

_PEM_BEGIN = "-----BEGIN CERTIFICATE-----"
_PEM_END = "-----END CERTIFICATE-----"


def check_certificates(text: str) -> None:
    """Raises `ValueError` unless `text` is nothing but certificates in PEM."""
    from cryptography import x509

    bodies = re.findall(f"{_PEM_BEGIN}[^-]+{_PEM_END}", text)
    rest = re.sub(f"{_PEM_BEGIN}[^-]+{_PEM_END}", "", text)
    if not bodies or rest.strip():
        raise ValueError(f"must be certificates in PEM, each {_PEM_BEGIN} ... {_PEM_END}")
    for number, body in enumerate(bodies, 1):
        try:
            x509.load_pem_x509_certificate(body.encode())
        except ValueError:
            raise ValueError(f"certificate {number} is damaged: must be X.509 in PEM") from None


class DispatchAlgorithm(StrEnum):
    """How the SBC picks a router for a new call."""

    ROUND_ROBIN = "round-robin"
    WEIGHT = "weight"
    CALL_LOAD = "call-load"  # the fewest calls of the tier at this moment
    CALL_ID_HASH = "call-id-hash"

    @property
    def kamailio_id(self) -> int:
        """Number of the algorithm in Kamailio's dispatcher module.

        For the call load it only orders the routers that have equally many calls.
        """
        return {"call-id-hash": 0, "round-robin": 4, "weight": 11, "call-load": 4}[self.value]


class Sip(Model):
    """Timers and limits of a tenant's SIP plane."""

    dispatch: DispatchAlgorithm = Field(
        default=DispatchAlgorithm.ROUND_ROBIN, description="choice of the router for a new call"
    )
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
    media_timeout_ms: int = Field(
        default=300,
        ge=100,
        le=4900,
        description="wait for an rtpengine's answer to a command, repeated five times meanwhile, "
        "before another one gets it; less than `router_timeout_ms`, or a router that waits for a "
        "dead one is taken for dead itself, ms",
    )
    max_message_bytes: int = Field(
        default=16384,
        ge=2048,
        le=65000,
        description="largest SIP message accepted from outside, bytes",
    )
    max_headers: int = Field(
        default=80, ge=20, le=95, description="header fields accepted in a message from outside"
    )
    max_forwards: int = Field(default=70, ge=10, le=255, description="limit of Max-Forwards")
    flood_requests: int = Field(
        default=200,
        ge=10,
        le=100000,
        description="requests that one unknown source may send per `flood_window_s` before a ban",
    )
    flood_window_s: int = Field(default=2, ge=1, le=60, description="window of flood detection, s")
    known_s: int = Field(
        default=86400,
        ge=3600,
        le=2_592_000,
        description="how long a source with an accepted call is no stranger, s; "
        "longer than `max_call_s`, as only known sources are heard within a call",
    )
    known_packets_per_s: int = Field(
        default=4000,
        ge=100,
        le=1_000_000,
        description="UDP packets per second of one known source; the kernel drops more",
    )
    stranger_packets_per_s: int = Field(
        default=150,
        ge=10,
        le=100_000,
        description="UDP packets per second of one unknown source; with more its packets are "
        "dropped by the kernel for `ban_s`",
    )
    strangers_packets_per_s: int = Field(
        default=1000,
        ge=100,
        le=1_000_000,
        description="UDP packets per second of all unknown sources together; the kernel drops more",
    )
    ban_s: int = Field(default=300, ge=10, le=86400, description="length of a ban, s")
    stranger_calls: int = Field(
        default=20,
        ge=1,
        le=10000,
        description="new calls that a source without accepted calls may try per 10 s; rest dropped",
    )
    registration_retry_s: int = Field(
        default=30,
        ge=5,
        le=3600,
        description="pause after a carrier refused the registration of a trunk, s",
    )
    login_failures: int = Field(
        default=10, ge=1, le=1000, description="refused logins of a source per minute before a ban"
    )
    account_login_failures: int = Field(
        default=20,
        ge=1,
        le=10_000,
        description="refused logins of an account per minute, from whatever source, before sources "
        "without accepted calls get 403 for it",
    )
    max_new_calls_per_s: int = Field(
        default=300,
        ge=1,
        le=100000,
        description="new calls that one SBC takes per second; more get 503 with Retry-After",
    )
    source_calls_per_s: int | None = Field(
        default=None,
        ge=1,
        le=100000,
        description="new calls that one SBC takes per second from one address; more get 503 with "
        "Retry-After; default: half of `max_new_calls_per_s`",
    )
    overload_ms: int = Field(
        default=100,
        ge=20,
        le=400,
        description="wait of messages in a node's queues from which it refuses new calls with 503 "
        "and Retry-After, from 100 ms more all of them; an SBC then also lowers the rate of new "
        "calls that it takes, and counts what it waits for the routers, ms",
    )
    max_lookups: int = Field(
        default=500,
        ge=10,
        le=100000,
        description="questions to router-confd that a router has open; more calls get 503 with "
        "Retry-After",
    )
    max_connections: int = Field(
        default=2048,
        ge=16,
        le=65535,
        description="TCP and TLS connections that one SBC keeps; about 60 kB of shared memory each",
    )
    connections_per_source: int = Field(
        default=64, ge=1, le=65535, description="TCP and TLS connections that one address may open"
    )
    new_connections_per_s: int = Field(
        default=20,
        ge=1,
        le=10_000,
        description="TCP and TLS connections that one address may open per second, twice "
        "`connections_per_source` at once; the kernel drops more",
    )
    connection_kbytes_per_s: int = Field(
        default=1000,
        ge=50,
        le=100_000,
        description="kilobytes per second that the kernel takes from one address over TCP and TLS; "
        "a call sends about 5",
    )
    stranger_idle_s: int = Field(
        default=30,
        ge=5,
        le=3600,
        description="the same as `connection_idle_s` for a source without accepted calls, s",
    )
    connection_idle_s: int = Field(
        default=3600,
        ge=30,
        le=86400,
        description="an idle TCP or TLS connection is closed after this time, s; the way back to a "
        "PBX behind NAT ends with it",
    )
    tls_verify: bool = Field(
        default=True,
        description="where an SBC opens a TLS connection, refuse a certificate that no authority "
        "of `tls_authorities` signed; the name in the certificate is not compared, so name the "
        "carriers' own authorities there where that matters",
    )
    tls_authorities: str | None = Field(
        default=None,
        description="authorities trusted by `tls_verify`, PEM: those of the carriers, or the PBXs' "
        "own; default: the public ones of the image. An SBC's user data has room for about 1.2 kB",
    )
    homer: str | None = Field(
        default=None,
        description="`address:port` of a Homer capture server, IPv4; it gets a copy of every SIP "
        "message of a call from SBCs and routers, unencrypted (HEP 3 over UDP): let it be reached "
        "privately; default: no capture",
    )

    @property
    def ringing_end_s(self) -> int:
        """Nothing of a call that rang and was not answered is left by then, s."""
        return self.ringing_timeout_s + RINGING_MARGIN_S

    @model_validator(mode="after")
    def _media_first(self) -> Self:
        if self.media_timeout_ms >= self.router_timeout_ms:
            raise ValueError(
                f"media_timeout_ms: {self.media_timeout_ms} must be less than router_timeout_ms "
                f"{self.router_timeout_ms}"
            )
        return self

    @field_validator("homer")
    @classmethod
    def _address_and_port(cls, value: str | None) -> str | None:
        """An address: looking up a name would make calls wait for a name server."""
        if value is None:
            return None
        address, _, port = value.rpartition(":")
        try:
            IPv4Address(address)
        except ValueError:
            raise ValueError("must be an IPv4 address and a port, e.g. 10.9.0.4:9060") from None
        if not re.fullmatch("[1-9][0-9]{0,4}", port) or int(port) > 65535:
            raise ValueError("must end with a port, 1 to 65535")
        return value

    @property
    def calls_of_a_source_per_s(self) -> int:
        """What one address may have of an SBC's new calls."""
        return self.source_calls_per_s or max(1, self.max_new_calls_per_s // 2)

    @property
    def homer_target(self) -> tuple[IPv4Address, int] | None:
        """Address and port of the capture server."""
        if self.homer is None:
            return None
        address, _, port = self.homer.rpartition(":")
        return IPv4Address(address), int(port)

    @field_validator("tls_authorities")
    @classmethod
    def _pem(cls, value: str | None) -> str | None:
        if value is not None:
            check_certificates(value)
        return value
