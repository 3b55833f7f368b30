"""The ports of `common.ports`, as security groups need them: one protocol each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from common import ports
from common.topology import Tier


@dataclass(frozen=True)
class Port:
    """A port, or a range of ports, of one protocol."""

    protocol: Literal["tcp", "udp"]
    first: int
    last: int | None = None

    @property
    def end(self) -> int:
        return self.first if self.last is None else self.last

    def __str__(self) -> str:
        ports = str(self.first) if self.end == self.first else f"{self.first}_{self.end}"
        return f"{self.protocol}_{ports}"


HTTP: Final = Port("tcp", 80)
HTTPS: Final = Port("tcp", 443)


def _each(port: ports.Port) -> tuple[Port, ...]:
    last = None if port.first == port.last else port.last
    return tuple(Port(protocol, port.first, last) for protocol in port.protocols)


def _one(port: ports.Port) -> Port:
    (only,) = _each(port)
    return only


SIP: Final = (*_each(ports.SIP), *_each(ports.SIPS))
SIP_ELSEWHERE: Final = (Port("udp", 1024, 65535), Port("tcp", 1024, 65535))  # carriers choose
SIP_INTERNAL: Final = _one(ports.SIP_INTERNAL)
DMQ: Final = _one(ports.DMQ)
NG_CONTROL: Final = _one(ports.RTPENGINE_NG)
RTP: Final = _one(ports.RTP)
RTP_ELSEWHERE: Final = Port("udp", 1024, 65535)
LOOKUP: Final = _one(ports.ROUTER_CONFD_INTERNAL)
MANAGEMENT_API: Final = _one(ports.ROUTER_CONFD_API)
POSTGRES: Final = _one(ports.POSTGRES)
METRICS: Final = {
    Tier.SBC: _one(ports.KAMAILIO_HTTP),
    Tier.ROUTER: _one(ports.KAMAILIO_HTTP),
    Tier.RTP: _one(ports.RTPENGINE_HTTP),
}
CONSUL_GOSSIP: Final = _each(ports.CONSUL_SERF)
CONSUL_RPC: Final = _one(ports.CONSUL_RPC)
