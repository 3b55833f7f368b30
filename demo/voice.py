"""A call with RTP, to check that both ends receive it, and only through rtpengine."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from common.topology import Tier
from demo.calls import Exchange, Round
from demo.cluster import LocalDeployment
from demo.internet import CARRIER, MEDIA_DID, MEDIA_PBX
from demo.scenarios import Kind
from lab.api import Machine
from sipp.media import Ear, Heard
from sipp.scenarios import Callee, Caller
from sipp.sipp import callee

PACKETS_PER_S = 50  # G.711 in packets of 20 ms


@dataclass(frozen=True)
class Voice:
    """RTP of one call: packets sent per end, received per end, and relayed by rtpengine."""

    round: Round
    expected: int
    carrier: Heard
    pbx: Heard
    relayed: int

    @property
    def ok(self) -> bool:
        """True when both ends received nine tenths of the other's packets, all from rtpengine."""
        enough = self.expected * 9 // 10
        return (
            self.round.ok
            and min(self.carrier.from_relays, self.pbx.from_relays) >= enough
            and self.carrier.from_others == self.pbx.from_others == 0
            and self.relayed >= 2 * enough
        )


def voice(exchange: Exchange, seconds: int, say: Callable[[str], None]) -> Voice:
    """Place one call in which both ends send G.711, and count the packets that arrive."""
    cluster, internet = exchange.cluster, exchange.internet
    relays = cluster.machines(exchange.tenant.name, Tier.RTP.value)
    addresses = [str(machine.public_ip) for machine in relays]
    before = _relayed(cluster, relays)
    scenario = Caller(media=True, hold_ms=seconds * 1000)
    kind = Kind(f"call with voice, {seconds} s", "voice", scenario, number=MEDIA_DID)
    with (
        Ear(internet[CARRIER], addresses) as carrier_ear,
        Ear(internet[MEDIA_PBX], addresses) as pbx_ear,
        callee(internet[MEDIA_PBX], exchange.folder / MEDIA_PBX, Callee(media=True)),
        exchange.caller(kind.name, exchange.sbcs()[0], scenario, kind=kind) as call,
    ):
        while call.running:
            time.sleep(0.5)
            say(
                f"RTP packets received: carrier {carrier_ear.heard().from_relays}, "
                f"PBX {pbx_ear.heard().from_relays}"
            )
        result = call.wait(30)
        carrier, pbx = carrier_ear.heard(), pbx_ear.heard()
    relayed = _relayed(cluster, relays) - before
    return Voice(Round(kind, (result,)), seconds * PACKETS_PER_S, carrier, pbx, relayed)


def _relayed(cluster: LocalDeployment, relays: list[Machine]) -> int:
    """The number of RTP packets that the rtpengines report as relayed."""
    return sum(cluster.relayed_packets(machine) for machine in relays)
