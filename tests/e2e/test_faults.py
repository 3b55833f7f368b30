"""What happens to calls when an instance is lost?

Each test makes sure that the fault happened, and looks who took over.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from cli.demo.fault import LISTED_LIMIT_S, Unlisting, kill_router
from cli.sip.scenarios import Caller
from lab.api import Machine
from settings.facts import CONSUL_HTTP_PORT, CONSUL_SERVER, Tier
from tests.e2e.conftest import World
from tests.e2e.records import assert_one_record_each

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

REPLACEMENT_LIMIT_S = 120.0


def _terminate(world: World, machine: Machine) -> None:
    world.lab.client("autoscaling").terminate_instance_in_auto_scaling_group(
        InstanceId=machine.instance_id, ShouldDecrementDesiredCapacity=False
    )


def _power_cut(world: World, machine: Machine) -> None:
    world.lab.kill(machine)


def _wait(condition: Callable[[], bool], seconds: float, what: str) -> float:
    """Seconds until `condition` held; fails the test when it does not within `seconds`."""
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > seconds:
            pytest.fail(f"not within {seconds:.0f} s: {what}")
        time.sleep(0.2)
    return time.monotonic() - began


@pytest.mark.parametrize("remove", [_terminate, _power_cut], ids=["terminated", "power cut"])
def test_removed_router_leaves_the_lists_and_its_replacement_gets_calls(
    world: World, remove: Callable[[World, Machine], None]
) -> None:
    cluster, tenant = world.cluster, world.tenant
    before = cluster.machines(tenant.name, Tier.ROUTER.value)
    victim = before[0]
    listed = {d.host for sbc in world.exchange.sbcs() for d in cluster.destinations(sbc)}
    assert victim.private_ip in listed

    remove(world, victim)
    unlisting = Unlisting(cluster, tenant, victim.private_ip)
    unlisting.run()

    assert unlisting.seconds is not None
    assert unlisting.seconds <= LISTED_LIMIT_S

    def gone() -> bool:
        routers = cluster.machines(tenant.name, Tier.ROUTER.value)
        return victim.instance_id not in {machine.instance_id for machine in routers}

    _wait(gone, REPLACEMENT_LIMIT_S, "the end of the router; a terminated one drains first")

    def replaced() -> bool:
        new = [
            machine.private_ip
            for machine in cluster.machines(tenant.name, Tier.ROUTER.value)
            if machine.instance_id not in {m.instance_id for m in before}
        ]
        return bool(new) and all(
            any(d.host == new[0] and d.active for d in cluster.destinations(sbc))
            for sbc in world.exchange.sbcs()
        )

    _wait(replaced, REPLACEMENT_LIMIT_S, "a new router, active in every SBC's list")
    listed = {d.host for sbc in world.exchange.sbcs() for d in cluster.destinations(sbc)}
    assert victim.private_ip not in listed
    calls = world.exchange.by_did(calls=10)
    assert calls.ok, calls
    new = set(calls.routers) - {machine.private_ip for machine in before}
    assert new and all(calls.routers[address] > 0 for address in new)


def test_call_survives_the_power_cut_of_its_router(world: World) -> None:
    failover = kill_router(world.cluster, world.tenant, world.exchange, lambda _: None)

    assert failover.long_call.ok, failover
    assert failover.during.ok, failover
    assert failover.router.private_ip not in failover.during.routers, "the fault did not happen"
    assert sum(failover.during.routers.values()) >= failover.during.placed, "who took over?"
    assert failover.ok, failover
    for calls in (failover.long_call, failover.during, failover.after):
        assert_one_record_each(world, calls.call_ids)


def test_calls_go_on_when_a_router_confd_instance_dies(world: World) -> None:
    before = world.cluster.machines(world.tenant.name, Tier.CONFD.value)
    sbc = world.exchange.sbcs()[0]
    with world.exchange.caller("confd-loss", sbc, Caller(), calls=100, rate=10) as load:
        time.sleep(3)
        world.lab.kill(before[0])
        result = load.wait(60)

    assert result.ok, result
    assert result.placed == 100
    assert_one_record_each(world, result.call_ids)

    def replaced() -> bool:
        machines = world.cluster.machines(world.tenant.name, Tier.CONFD.value)
        return len(machines) == len(before) and before[0].instance_id not in {
            machine.instance_id for machine in machines
        }

    _wait(replaced, REPLACEMENT_LIMIT_S, "a new router-confd instance")


def test_calls_go_on_when_the_consul_leader_dies(world: World) -> None:
    def leader() -> str:
        for server in world.cluster.machines(None, CONSUL_SERVER):
            url = f"http://127.0.0.1:{CONSUL_HTTP_PORT}/v1/status/leader"
            done = world.lab.exec(server, ["curl", "-s", "--max-time", "2", url], timeout=10)
            if done.returncode == 0 and ":" in done.stdout:
                return done.stdout.strip().strip('"').partition(":")[0]
        return ""

    old = leader()
    lists = {sbc.instance_id: world.cluster.destinations(sbc) for sbc in world.exchange.sbcs()}
    sbc = world.exchange.sbcs()[0]
    with world.exchange.caller("leader-loss", sbc, Caller(), calls=100, rate=10) as load:
        time.sleep(2)
        world.lab.kill(world.cluster.machine_at(old))
        _wait(lambda: leader() not in ("", old), 30, "a new Consul leader")
        result = load.wait(60)

    assert result.ok, result
    assert result.placed == 100
    for sbc in world.exchange.sbcs():
        now = {d.host for d in world.cluster.destinations(sbc)}
        assert now == {d.host for d in lists[sbc.instance_id]}
