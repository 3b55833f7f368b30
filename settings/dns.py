"""Public DNS names."""

from __future__ import annotations

from pydantic import Field

from settings.base import Model


class DnsName(Model):
    """Public DNS name of a tenant's SBCs, in Route 53."""

    name: str = Field(
        max_length=242,  # of DNS's 253; the longest prefix of a record is `_sips._tcp.`
        pattern=r"^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}$",
        description="host name in small letters, e.g. `sip.acme.example`",
    )
    zone_id: str = Field(
        pattern=r"^Z[A-Z0-9]{1,31}$", description="id of the existing public hosted zone"
    )
    ttl_s: int = Field(
        default=30, ge=5, le=86400, description="how long resolvers may keep an answer, s"
    )
