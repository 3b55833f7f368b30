"""Calls of the demo: rounds of SIPp calls from the carrier, and a call with a voice."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from cli.cluster import Cluster
from cli.demo.internet import DID, MEDIA_DID, Internet, pbx_domain
from cli.errors import CliError
from cli.sip.media import Ear, Heard
from cli.sip.scenarios import Callee, Caller
from cli.sip.sipp import Result, Sipp, callee, caller
from lab.api import Machine
from settings import Tenant
from settings.facts import Tier

PACKETS_PER_S = 50  # G.711 in packets of 20 ms
PORT_OF_CALLERS = 5080


@dataclass(frozen=True)
class Round:
    """Calls of one kind, and how many INVITEs each router got meanwhile."""

    title: str
    results: tuple[Result, ...]
    routers: dict[str, int] = field(default_factory=dict)
    note: str = ""

    @property
    def placed(self) -> int:
        return sum(result.placed for result in self.results)

    @property
    def answered(self) -> int:
        return sum(result.answered for result in self.results)

    @property
    def failed(self) -> int:
        return sum(result.failed for result in self.results)

    @property
    def ok(self) -> bool:
        return self.placed > 0 and all(result.ok for result in self.results)

    @property
    def setup_ms(self) -> list[float]:
        """Sorted times from INVITE to ringing."""
        return sorted(time for result in self.results for time in result.setup_ms)


@dataclass(frozen=True)
class Voice:
    """RTP of one call: packets sent per end, heard per end, and relayed by rtpengine."""

    round: Round
    expected: int
    carrier: Heard
    pbx: Heard
    relayed: int

    @property
    def ok(self) -> bool:
        """Both ends heard nine tenths of the other's voice, all of it from the relay."""
        enough = self.expected * 9 // 10
        return (
            self.round.ok
            and min(self.carrier.from_relays, self.pbx.from_relays) >= enough
            and self.carrier.from_others == self.pbx.from_others == 0
            and self.relayed >= 2 * enough
        )


class Exchange:
    """The carrier and the PBXs of one tenant; PBXs answer while the block is open."""

    def __init__(self, cluster: Cluster, tenant: Tenant, internet: Internet, folder: Path) -> None:
        self.cluster, self.tenant, self.internet = cluster, tenant, internet
        self.folder = folder
        self._stack = ExitStack()
        self._count = 0

    def __enter__(self) -> Exchange:
        self._stack.enter_context(callee(self.internet.pbx, self.folder / "pbx", Callee()))
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def sbcs(self) -> list[Machine]:
        """SBCs that can be called from outside. Raises `CliError` when there is none."""
        found = [
            machine
            for machine in self.cluster.machines(self.tenant.name, Tier.SBC.value)
            if machine.public_ip
        ]
        if not found:
            raise CliError(f"no SBC of {self.tenant.name} has an Elastic IP")
        return found

    def caller(self, name: str, sbc: Machine, scenario: Caller, **options: object) -> Sipp:
        """A SIPp process of the carrier that is about to call through one SBC."""
        self._count += 1
        options = {"number": DID, "port": PORT_OF_CALLERS + self._count % 100, **options}
        folder = self.folder / f"{self._count:02}-{name}"
        assert sbc.public_ip is not None
        return caller(self.internet.carrier, folder, scenario, to=sbc.public_ip, **options)  # type: ignore[arg-type]

    def round(
        self, title: str, name: str, scenario: Caller | None = None, **options: object
    ) -> Round:
        """The same calls through every SBC at once."""
        before = self.cluster.invites(self.tenant)
        with ExitStack() as stack:
            processes = [
                stack.enter_context(
                    self.caller(f"{name}-{index}", sbc, scenario or Caller(), **options)
                )
                for index, sbc in enumerate(self.sbcs(), 1)
            ]
            results = tuple(process.wait(120) for process in processes)
        after = self.cluster.invites(self.tenant)
        routers = {address: count - before.get(address, 0) for address, count in after.items()}
        return Round(title, results, routers)

    def by_did(self, calls: int, rate: float = 10) -> Round:
        return self.round("inbound by DID", "did", calls=calls, rate=rate)

    def by_domain(self, calls: int, rate: float = 10) -> Round:
        domain = pbx_domain(self.tenant)
        return self.round(
            f"inbound by domain {domain}", "domain",
            number="reception", domain=domain, calls=calls, rate=rate,
        )  # fmt: skip

    def voice(self, seconds: int, say: Callable[[str], None]) -> Voice:
        """One call during which both ends send G.711; who heard what, and from whom."""
        relays = self.cluster.machines(self.tenant.name, Tier.RTP.value)
        addresses = [str(machine.public_ip) for machine in relays]
        before = self._relayed(relays)
        scenario = Caller(media=True, hold_ms=seconds * 1000)
        with (
            Ear(self.internet.carrier, addresses) as carrier_ear,
            Ear(self.internet.media_pbx, addresses) as pbx_ear,
            callee(self.internet.media_pbx, self.folder / "media-pbx", Callee(media=True)),
            self.caller("voice", self.sbcs()[0], scenario, number=MEDIA_DID) as call,
        ):
            while call.running:
                time.sleep(0.5)
                say(
                    f"RTP packets heard: carrier {carrier_ear.heard().from_relays}, "
                    f"PBX {pbx_ear.heard().from_relays}"
                )
            result = call.wait(30)
            carrier, pbx = carrier_ear.heard(), pbx_ear.heard()
        relayed = self._relayed(relays) - before
        voice = Round(f"call with voice, {seconds} s", (result,))
        return Voice(voice, seconds * PACKETS_PER_S, carrier, pbx, relayed)

    def _relayed(self, relays: list[Machine]) -> int:
        """RTP packets that the rtpengines say they have relayed."""
        return sum(self.cluster.relayed_packets(machine) for machine in relays)
