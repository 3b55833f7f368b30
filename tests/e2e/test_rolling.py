"""May every instance of the SIP plane be replaced while calls go on?"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from common.names import resource_name
from common.topology import Tier
from docs_gen.faults import Finding
from testbed.deployment.calls import ADDRESS_LIMIT_S, one_call
from testbed.deployment.inject import power_cut, wait
from testbed.deployment.traffic import Traffic
from testbed.deployment.world import World

pytestmark = [pytest.mark.e2e, pytest.mark.faults, pytest.mark.timeout(900)]

TIERS = (Tier.SBC, Tier.ROUTER)
ROLLING_LIMIT_S = 400.0


def _instances(world: World) -> set[str]:
    return {
        machine.instance_id
        for tier in TIERS
        for machine in world.cluster.machines(world.tenant.name, tier.value)
    }


def test_every_sbc_and_router_is_replaced_while_calls_go_on(
    world: World, report: Callable[[Finding], None]
) -> None:
    """SBCs wait for their calls, routers hand them over; the group goes on with the next."""
    before = _instances(world)
    client = world.lab.client("autoscaling")
    with Traffic(world, "rolling", seconds=10, ring_s=8, hold_s=30) as traffic:
        for tier in TIERS:
            group = resource_name(world.cluster.deployment.deployment, world.tenant.name, tier)
            client.start_instance_refresh(AutoScalingGroupName=group)
        assert world.cluster.refreshing()
        outcome = traffic.wait()

    def replaced() -> bool:  # the last one may drain on when the group has its new ones
        return not world.cluster.refreshing() and not before & _instances(world)

    took_s = wait(replaced, ROLLING_LIMIT_S, "the refreshes, and the end of the last old instance")
    world.cluster.wait_healthy(lambda _: None, timeout=120, check=lambda: None)
    after = _instances(world)
    calls = world.exchange.by_did(calls=10)
    report(
        Finding(
            fault="rolling replacement of every SBC and router",
            calls=outcome.placed + calls.placed, lost=outcome.failed + calls.failed,
            delay_ms=outcome.delay_ms,
            takeover=f"{len(after - before)} new instances, {took_s + 30:.0f} s",
        )
    )  # fmt: skip

    assert outcome.failed == 0, outcome
    assert not before & after, "the fault did not happen"
    assert len(after) == len(before)
    assert calls.ok, calls


def test_address_of_an_sbc_that_dies_later_is_still_taken_over(world: World) -> None:
    """The replacement has left addresses free on which no call goes on."""
    victim = world.exchange.sbcs()[0]
    power_cut(world, victim)

    def taken_over() -> bool:
        return any(
            sbc.public_ip == victim.public_ip and sbc.instance_id != victim.instance_id
            for sbc in world.exchange.sbcs()
        )

    wait(taken_over, ADDRESS_LIMIT_S, "another SBC at the address of the dead one")
    wait(lambda: one_call(world, victim) == (1, 0), ADDRESS_LIMIT_S, "a call to that address")
