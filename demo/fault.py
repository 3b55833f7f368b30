"""The fault of the demo: a power cut of the router that carries a call."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from common.topology import Tier
from demo.calls import Exchange, Round
from demo.cluster import POLL_S, LocalDeployment
from demo.scenarios import BY_DID
from host.command_error import CommandError
from lab.api import Machine
from settings import Tenant
from sipp.scenarios import Caller
from sipp.sipp import Sipp

# Length of the call; it must last longer than the search for its router, the power cut and the
# calls that follow.
HOLD_S = 15
# By then a dead router must have left every SBC's list. Mostly it takes 2 to 3 s. When only one
# agent has noticed, suspicion lasts six times as long (consul/gossip.hcl.j2), 9 s.
LISTED_LIMIT_S = 10.0


@dataclass(frozen=True)
class Failover:
    """The course of events after the router died."""

    router: Machine
    replacement: Machine
    long_call: Round
    during: Round
    after: Round
    unlisted_s: float  # until the last SBC's list was without it
    replaced_s: float  # until the group's new router passed its checks

    @property
    def ok(self) -> bool:
        return (
            self.long_call.ok
            and self.during.ok
            and self.after.ok
            and self.unlisted_s <= LISTED_LIMIT_S
            and self.after.routers.get(self.replacement.private_ip, 0) > 0
        )


class Unlisting(threading.Thread):
    """Watches the SBCs' dispatcher lists until none has `address`; `seconds` is None before."""

    def __init__(self, cluster: LocalDeployment, tenant: Tenant, address: str) -> None:
        super().__init__(name="unlisting", daemon=True)
        self._cluster, self._tenant, self._address = cluster, tenant, address
        self._began = time.monotonic()
        self.seconds: float | None = None

    def run(self) -> None:
        while self.seconds is None and time.monotonic() < self._began + 60:
            sbcs = self._cluster.machines(self._tenant.name, Tier.SBC.value)
            listed = [
                destination.host for sbc in sbcs for destination in self._cluster.destinations(sbc)
            ]
            if sbcs and self._address not in listed:
                self.seconds = time.monotonic() - self._began
            else:
                time.sleep(0.2)


def router_of_call(
    cluster: LocalDeployment, tenant: Tenant, call: Sipp, timeout: float = 10
) -> Machine:
    """The router that carries the one call of a SIPp process. Raises `CommandError`."""
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        if router := cluster.router_of(tenant, call.call_id):
            return router
        if not call.running:
            raise CommandError(f"the call has ended early; see {call.folder}")
        time.sleep(0.1)
    raise CommandError(f"no SBC has a dialog of {call.call_id}; see {call.folder}")


def kill_router(
    cluster: LocalDeployment, tenant: Tenant, exchange: Exchange, say: Callable[[str], None]
) -> Failover:
    """Call, kill that call's router, place more calls, hang up, wait for the replacement."""
    before = {machine.instance_id for machine in cluster.machines(tenant.name, Tier.ROUTER.value)}
    with exchange.caller("long", exchange.sbcs()[0], Caller(hold_ms=HOLD_S * 1000)) as call:
        router = router_of_call(cluster, tenant, call)
        say(f"power cut of {router.instance_id} ({router.private_ip}), which carries the call")
        cluster.lab.kill(router)
        died = time.monotonic()
        unlisting = Unlisting(cluster, tenant, router.private_ip)
        unlisting.start()
        during = exchange.by_did(calls=10)
        say(f"{during.succeeded} of {during.placed} new calls answered; the first call continues")
        results = (call.wait(60),)
    (ways,) = exchange.ways(results)
    long_call = Round(BY_DID.called("call in progress, router killed"), results, ways)
    unlisting.join(60)
    if unlisting.seconds is None:
        raise CommandError(f"{router.private_ip} is still in an SBC's dispatcher list after 60 s")
    replacement = _replacement(cluster, tenant, before, say)
    replaced_s = time.monotonic() - died
    say(f"{replacement.instance_id} ({replacement.private_ip}) has replaced it; calling again")
    after = exchange.by_did(calls=10)
    return Failover(
        router=router,
        replacement=replacement,
        long_call=long_call,
        during=replace(during, kind=BY_DID.called("new calls right after that")),
        after=replace(after, kind=BY_DID.called("new calls with the replacement")),
        unlisted_s=unlisting.seconds,
        replaced_s=replaced_s,
    )


def _replacement(
    cluster: LocalDeployment, tenant: Tenant, before: set[str], say: Callable[[str], None]
) -> Machine:
    """Wait until every SBC lists the new router as active, and return it."""
    end = time.monotonic() + 180
    while time.monotonic() < end:
        new = [
            machine
            for machine in cluster.machines(tenant.name, Tier.ROUTER.value)
            if machine.instance_id not in before
        ]
        sbcs = cluster.machines(tenant.name, Tier.SBC.value)
        for machine in new:
            lists = [cluster.destinations(sbc) for sbc in sbcs]
            if sbcs and all(
                any(d.host == machine.private_ip and d.active for d in destinations)
                for destinations in lists
            ):
                return machine
        say("waiting for the group's replacement")
        time.sleep(POLL_S)
    raise CommandError("no healthy replacement after 180 s", "see ./c4 demo status")
