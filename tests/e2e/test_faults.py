"""What happens to calls when an instance of the SIP plane is lost, or hangs?

Each test makes sure that the fault happened, looks who took over, and reports what it cost.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from common.topology import Tier
from demo.fault import LISTED_LIMIT_S, Unlisting, kill_router
from docs_gen.faults import Finding
from lab.api import Machine
from testbed.deployment.calls import ADDRESS_LIMIT_S, LOOKUP_LIMIT_MS, knows_all, one_call
from testbed.deployment.inject import KAMAILIO, hung, invites_of, power_cut, terminate, wait
from testbed.deployment.records import assert_one_record_each
from testbed.deployment.traffic import Traffic
from testbed.deployment.world import World

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]

Report = Callable[[Finding], None]
REPLACEMENT_LIMIT_S = 120.0


def _listed(world: World) -> list[set[str]]:
    """Routers in each SBC's dispatcher list, whatever set."""
    cluster = world.cluster
    return [{d.host for d in cluster.destinations(sbc)} for sbc in world.exchange.sbcs()]


def _new(world: World, tier: Tier, before: list[Machine]) -> list[Machine]:
    old = {machine.instance_id for machine in before}
    machines = world.cluster.machines(world.tenant.name, tier.value)
    return [machine for machine in machines if machine.instance_id not in old]


@pytest.mark.parametrize(
    ("remove", "title"),
    [(terminate, "router terminated by its group"), (power_cut, "router loses its power")],
    ids=["terminated", "power cut"],
)
def test_removed_router_leaves_the_lists_and_its_replacement_gets_calls(
    world: World, report: Report, remove: Callable[[World, Machine], None], title: str
) -> None:
    cluster, tenant = world.cluster, world.tenant
    before = cluster.machines(tenant.name, Tier.ROUTER.value)
    victim, *others = before
    assert all(victim.private_ip in listed for listed in _listed(world))
    with Traffic(world, f"router-{remove.__name__}", seconds=12, hold_s=60) as traffic:
        invites = cluster.invites(tenant)
        remove(world, victim)
        unlisting = Unlisting(cluster, tenant, victim.private_ip)
        unlisting.run()

        def gone() -> bool:
            routers = cluster.machines(tenant.name, Tier.ROUTER.value)
            return victim.instance_id not in {machine.instance_id for machine in routers}

        wait(gone, REPLACEMENT_LIMIT_S, "the end of the router; a terminated one drains first")

        def replaced() -> bool:
            new = _new(world, Tier.ROUTER, before)
            return bool(new) and all(
                any(d.host == new[0].private_ip and d.active for d in cluster.destinations(sbc))
                for sbc in world.exchange.sbcs()
            )

        wait(replaced, REPLACEMENT_LIMIT_S, "a new router, active in every SBC's list")
        (replacement,) = _new(world, Tier.ROUTER, before)
        knows_all(world, replacement, traffic.held)
        outcome = traffic.wait()
        after = cluster.invites(tenant)
    taken = sum(after[m.private_ip] - invites[m.private_ip] for m in others)
    report(
        Finding(
            fault=title, calls=outcome.placed, lost=outcome.failed, delay_ms=outcome.delay_ms,
            takeover=f"the other router ({taken} INVITEs); "
            f"off every list after {unlisting.seconds or 60:.1f} s",
        )
    )  # fmt: skip

    assert outcome.failed == 0, outcome
    if remove is terminate:  # a record that a router was sending when it died is lost
        assert_one_record_each(world, outcome.call_ids)
    assert outcome.delay_ms <= LOOKUP_LIMIT_MS, outcome
    assert taken > 0
    assert unlisting.seconds is not None
    assert unlisting.seconds <= LISTED_LIMIT_S
    assert all(victim.private_ip not in listed for listed in _listed(world))
    calls = world.exchange.by_did(calls=10)
    assert calls.ok, calls
    assert calls.routers[replacement.private_ip] > 0


def test_call_survives_the_power_cut_of_its_router(world: World) -> None:
    failover = kill_router(world.cluster, world.tenant, world.exchange, lambda _: None)

    assert failover.long_call.ok, failover
    assert failover.during.ok, failover
    assert failover.router.private_ip not in failover.during.routers, "the fault did not happen"
    assert sum(failover.during.routers.values()) >= failover.during.placed, "who took over?"
    assert failover.ok, failover
    for calls in (failover.long_call, failover.during, failover.after):
        assert_one_record_each(world, calls.call_ids)


@pytest.mark.faults
def test_hung_router_is_passed_by_and_comes_back(world: World, report: Report) -> None:
    cluster, tenant = world.cluster, world.tenant
    victim, other = cluster.machines(tenant.name, Tier.ROUTER.value)
    with Traffic(world, "router-hung", seconds=16, hold_s=20) as traffic:
        before = invites_of(world, other)
        with hung(world, [victim], KAMAILIO):
            passed_by = wait(
                lambda: all(victim.private_ip not in listed for listed in _listed(world)),
                10, "the hung router leaves the lists",
            )  # fmt: skip
            time.sleep(4)
            taken = invites_of(world, other) - before
        wait(
            lambda: all(victim.private_ip in listed for listed in _listed(world)),
            20, "the router is back in every list",
        )  # fmt: skip
        outcome = traffic.wait()
    report(
        Finding(
            fault="router hangs (SIGSTOP)", calls=outcome.placed, lost=outcome.failed,
            delay_ms=outcome.delay_ms,
            takeover=f"the other router ({taken} INVITEs); off every list after {passed_by:.1f} s",
        )
    )  # fmt: skip

    assert outcome.failed == 0, outcome
    assert_one_record_each(world, outcome.call_ids)
    assert outcome.delay_ms <= LOOKUP_LIMIT_MS, outcome
    assert taken > 0
    calls = world.exchange.by_did(calls=10)
    assert calls.ok, calls
    assert calls.routers[victim.private_ip] > 0, "it came back, but gets no calls"


@pytest.mark.faults
def test_calls_of_a_dead_sbc_go_on_at_its_address(world: World, report: Report) -> None:
    """The replacement gets the address and, from its peers, the dialogs."""
    cluster, tenant, exchange = world.cluster, world.tenant, world.exchange
    victim, other = exchange.sbcs()
    with (
        Traffic(world, "sbc-other", seconds=12, hold_s=14, sbcs=[other], pbx=False) as beside,
        Traffic(world, "sbc-dead", seconds=0, ring_s=45, hold_s=60, sbcs=[victim]) as held,
    ):
        power_cut(world, victim)
        died = time.monotonic()
        refused = 0
        while True:
            result = one_call(world, victim)
            if result == (1, 0):
                break
            refused += 1
            assert time.monotonic() - died < ADDRESS_LIMIT_S, "nobody serves the address"
        served_s = time.monotonic() - died
        (replacement,) = _new(world, Tier.SBC, [victim, other])
        address = replacement.public_ip
        knows_all(world, replacement, held.held)
        through_other = beside.wait()
        through_dead = held.wait()
    placed = through_other.placed + through_dead.placed + refused + 1
    report(
        Finding(
            fault="SBC loses its power", calls=placed,
            lost=through_other.failed + through_dead.failed, refused=refused,
            window=f"new calls to its address, {served_s:.0f} s", delay_ms=through_other.delay_ms,
            takeover="its replacement, which got its address and its dialogs; the other SBC",
        )
    )  # fmt: skip

    assert address == victim.public_ip
    assert through_other.failed == 0, through_other
    assert through_dead.failed == 0, through_dead
    assert cluster.invites(tenant, Tier.SBC)[replacement.private_ip] > 0
    calls = exchange.by_did(calls=10)
    assert calls.ok, calls
