"""Does scaling in cut a call?"""

from __future__ import annotations

import time

import pytest

from common import ports
from common.topology import Tier
from lab.api import Machine
from sipp.scenarios import Caller
from testbed.deployment.world import World

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]

CALLS = 4
HOLD_S = 30
LEAVING_LIMIT_S = 60.0  # from the end of the last call to the end of the machine


def _there(world: World, machine: Machine) -> bool:
    return machine.instance_id in {m.instance_id for m in world.lab.machines()}


def _sessions(world: World, machine: Machine) -> int:
    """Calls whose media an rtpengine relays."""
    url = f"http://{machine.private_ip}:{ports.RTPENGINE_HTTP.number}/metrics"
    text = world.lab.exec(machine, ["curl", "-s", url]).stdout
    (line,) = (row for row in text.splitlines() if row.startswith('rtpengine_sessions{type="own"}'))
    return int(line.split()[1])


def _victim(world: World, tier: Tier, sbc: Machine) -> Machine:
    """The instance of the tier that carries the calls; for routers any, they share them."""
    machines = world.cluster.machines(world.tenant.name, tier.value)
    if tier is Tier.SBC:
        return sbc
    if tier is Tier.RTP:
        return max(machines, key=lambda machine: _sessions(world, machine))
    return machines[0]


@pytest.mark.parametrize("tier", [Tier.SBC, Tier.RTP, Tier.ROUTER])
def test_calls_end_by_themselves_when_their_instance_scales_in(world: World, tier: Tier) -> None:
    """SBC and rtpengine wait for their calls; a router hands them to the others and goes."""
    sbc = world.exchange.sbcs()[0]
    scenario = Caller(hold_ms=HOLD_S * 1000)
    with world.exchange.caller(f"drain-{tier}", sbc, scenario, calls=CALLS, rate=10) as load:
        time.sleep(3)
        victim = _victim(world, tier, sbc)
        if tier is Tier.RTP:
            assert _sessions(world, victim) > 0, "no call to wait for"
        world.lab.client("autoscaling").terminate_instance_in_auto_scaling_group(
            InstanceId=victim.instance_id, ShouldDecrementDesiredCapacity=False
        )
        stayed = True
        while load.running:
            stayed = stayed and _there(world, victim)
            time.sleep(0.5)
        result = load.wait(60)

    assert result.ok, result
    assert result.answered == CALLS
    assert stayed == (tier is not Tier.ROUTER), "who waits for whom?"
    end = time.monotonic() + LEAVING_LIMIT_S
    while _there(world, victim):
        assert time.monotonic() < end, "the instance does not leave although its calls have ended"
        time.sleep(0.5)
