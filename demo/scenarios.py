"""The kinds of calls that the demo places, and the expected course of each."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from demo.internet import (
    CARRIER,
    DID,
    LOGIN,
    NATIONAL,
    PBX,
    PBX_USER,
    REFUSING,
    SILENT,
    UNKNOWN_DID,
    UNKNOWN_PBX_HOST,
    UNROUTED,
    pbx_domain,
)
from settings import Tenant
from sipp.scenarios import Caller


@dataclass(frozen=True)
class Kind:
    """A kind of calls.

    `way` lists the parties that the SBC has to call in turn, with the final answer of each (texts
    of `sipp.messages.Attempt`). When it is empty, the SBC must not call anybody.
    """

    title: str
    name: str  # of the folder
    scenario: Caller = field(default_factory=Caller)
    host: str = CARRIER  # the caller
    number: str = DID
    domain: str = ""  # of the Request-URI; the SBC's address when empty
    caller_number: str = "39021234567"
    way: tuple[str, ...] = (f"{PBX} 200",)
    records: int = 1  # call records per call

    def called(self, title: str) -> Kind:
        """The same kind under another title."""
        return replace(self, title=title)


BY_DID = Kind("inbound by DID", "did")


def by_domain(tenant: Tenant) -> Kind:
    domain = pbx_domain(tenant)
    return Kind("inbound by domain", "domain", number="reception", domain=domain)


UNKNOWN_NUMBER = Kind(
    "inbound, unknown number", "unknown-number", Caller(expect=404), number=UNKNOWN_DID, way=()
)
UNKNOWN_PBX = Kind(
    "outbound, unknown PBX",
    "unknown-pbx",
    Caller(expect=407),
    host=UNKNOWN_PBX_HOST,
    number="44" + NATIONAL,
    way=(),
    records=0,  # the call belongs to no tenant's PBX
)


@dataclass(frozen=True)
class Outbound:
    """Calls of a tenant's PBX, which authenticates them by digest."""

    tenant: Tenant
    password: str

    def kind(
        self, title: str, name: str, number: str, way: tuple[str, ...], expect: int = 200
    ) -> Kind:
        scenario = Caller(
            expect=expect,
            username=PBX_USER,
            password=self.password,
            from_domain=pbx_domain(self.tenant),
        )
        return Kind(
            f"outbound, {title}", name, scenario,
            host=PBX, number=number, caller_number=DID, way=way,
        )  # fmt: skip

    @property
    def answered(self) -> Kind:
        return self.kind("PBX authenticates", "digest", "44" + NATIONAL, (f"{CARRIER} 200",))

    @property
    def failover(self) -> Kind:
        way = (f"{REFUSING} 503", f"{CARRIER} 200")
        return self.kind("1st trunk refuses", "refusing-trunk", "33" + NATIONAL, way)

    @property
    def failover_from_silent(self) -> Kind:
        way = (f"{SILENT} no answer", f"{CARRIER} 200")
        return self.kind("1st trunk is dead", "dead-trunk", "49" + NATIONAL, way)

    @property
    def carrier_login(self) -> Kind:
        way = (f"{LOGIN} 401", f"{LOGIN} 200")
        return self.kind("carrier needs a login", "carrier-login", "46" + NATIONAL, way)

    @property
    def all_trunks_fail(self) -> Kind:
        way = (f"{REFUSING} 503",)
        return self.kind("every trunk refuses", "no-trunk", "47" + NATIONAL, way, expect=500)

    @property
    def unrouted(self) -> Kind:
        return self.kind("no rule for the number", "unrouted", UNROUTED, (), expect=404)


def others(outbound: Outbound) -> list[Kind]:
    """The kinds that the demo places besides plain inbound calls."""
    return [
        outbound.answered,
        outbound.carrier_login,
        outbound.failover,
        outbound.failover_from_silent,
        UNKNOWN_NUMBER,
        UNKNOWN_PBX,
    ]
