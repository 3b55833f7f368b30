"""May every instance of the SIP plane be replaced while calls go on?"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cli.faults import Finding
from settings.facts import Tier, resource_name
from tests.e2e.conftest import World
from tests.e2e.inject import wait
from tests.e2e.traffic import Traffic

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
    took_s = wait(lambda: not world.cluster.refreshing(), ROLLING_LIMIT_S, "the refreshes")
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
