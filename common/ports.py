"""Every port of the product: number, protocols, use. Nothing repeats a number of this page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Protocol = Literal["udp", "tcp"]


@dataclass(frozen=True)
class Port:
    """A port, or a range of ports, on which a part of the product listens."""

    first: int
    protocols: tuple[Protocol, ...]
    use: str
    last: int

    @property
    def number(self) -> int:
        """The port's number; `ValueError` for a range, which has none."""
        if self.first != self.last:
            raise ValueError(f"port: {self} is a range; use `first` and `last`")
        return self.first

    def __str__(self) -> str:
        return str(self.first) if self.first == self.last else f"{self.first} to {self.last}"


def _port(number: int, *protocols: Protocol, use: str, last: int | None = None) -> Port:
    return Port(number, protocols, use, last or number)


SIP_DEFAULT: Final = 5060  # RFC 3261: of a phone, PBX or carrier that names no port
SIP: Final = _port(SIP_DEFAULT, "udp", "tcp", use="SBC, towards carriers and PBXs")
SIPS: Final = _port(5061, "tcp", use="SBC, towards carriers and PBXs: SIP over TLS")
SIP_INTERNAL: Final = _port(5070, "udp", use="SBC and router, towards each other")
DMQ: Final = _port(5090, "udp", use="Kamailio, towards the other Kamailios of its tier")
KAMAILIO_HTTP: Final = _port(
    8060, "tcp", use="Kamailio: `/metrics` and `/health`, internal address only"
)
RTP: Final = _port(30000, "udp", last=39999, use="rtpengine, towards carriers and PBXs")
RTPENGINE_NG: Final = _port(2223, "udp", use="rtpengine: NG control by the routers")
RTPENGINE_HTTP: Final = _port(2224, "tcp", use="rtpengine: `/metrics`, internal address only")
ROUTER_CONFD_INTERNAL: Final = _port(
    9600, "tcp", use="router-confd: routing requests, `/status`, `/metrics`; internal, no token"
)
ROUTER_CONFD_API: Final = _port(
    9601, "tcp", use="router-confd: management API over TLS; a token or API key is required"
)
POSTGRES: Final = _port(5432, "tcp", use="PostgreSQL, from router-confd, with TLS")
CONSUL_RPC: Final = _port(8300, "tcp", use="Consul servers")
CONSUL_SERF: Final = _port(8301, "tcp", "udp", use="Consul gossip: every instance")
CONSUL_HTTP: Final = _port(8500, "tcp", use="Consul agent, loopback only")
CONSUL_DNS: Final = _port(8600, "udp", "tcp", use="Consul agent, loopback only")
AGENT_HEALTH: Final = _port(9100, "tcp", use="c4-agent: answers Consul's checks, loopback only")

ALL: Final[dict[str, Port]] = {
    name: value for name, value in globals().items() if isinstance(value, Port)
}
