"""Where copies of SIP messages go."""

from __future__ import annotations

import re
from ipaddress import IPv4Address

from pydantic import Field, field_validator

from settings.base import Model


class Capture(Model):
    """Where copies of the SIP messages of calls go."""

    homer: str | None = Field(
        default=None,
        description="`address:port` of a Homer capture server, IPv4; it gets a copy of every SIP "
        "message of a call from SBCs and routers, unencrypted (HEP 3 over UDP): let it be reached "
        "privately; default: no capture",
    )

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
    def homer_target(self) -> tuple[IPv4Address, int] | None:
        """Address and port of the capture server."""
        if self.homer is None:
            return None
        address, _, port = self.homer.rpartition(":")
        return IPv4Address(address), int(port)
