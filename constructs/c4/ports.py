"""The ports of `settings.facts`, as security groups need them: with their protocols."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from settings import facts
from settings.facts import Tier


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

SIP: Final = (
    Port("udp", facts.SIP_PORT),
    Port("tcp", facts.SIP_PORT),
    Port("tcp", facts.SIPS_PORT),
)
SIP_ELSEWHERE: Final = (Port("udp", 1024, 65535), Port("tcp", 1024, 65535))  # carriers choose
SIP_INTERNAL: Final = Port("udp", facts.SIP_INTERNAL_PORT)
DMQ: Final = Port("udp", facts.DMQ_PORT)
NG_CONTROL: Final = Port("udp", facts.RTPENGINE_NG_PORT)
RTP: Final = Port("udp", facts.RTP_PORT_MIN, facts.RTP_PORT_MAX)
RTP_ELSEWHERE: Final = Port("udp", 1024, 65535)
LOOKUP: Final = Port("tcp", facts.CONFD_KAMAILIO_PORT)
MANAGEMENT_API: Final = Port("tcp", facts.CONFD_API_PORT)
POSTGRES: Final = Port("tcp", facts.POSTGRES_PORT)
METRICS: Final = {
    Tier.SBC: Port("tcp", facts.KAMAILIO_HTTP_PORT),
    Tier.ROUTER: Port("tcp", facts.KAMAILIO_HTTP_PORT),
    Tier.RTP: Port("tcp", facts.RTPENGINE_HTTP_PORT),
}
CONSUL_GOSSIP: Final = (
    Port("tcp", facts.CONSUL_SERF_PORT),
    Port("udp", facts.CONSUL_SERF_PORT),
)
CONSUL_RPC: Final = Port("tcp", facts.CONSUL_RPC_PORT)
