"""What happens to calls when Consul's servers hang or are lost, and does discovery heal by itself?

Each test makes sure that the fault happened, looks who took over, and reports what it cost.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable

import pytest

from agent.consul.catalogue_age import NEW_FOR
from common import ports
from common.topology import CONSUL_SERVER, Tier
from demo.fault import LISTED_LIMIT_S, Unlisting
from docs_gen.faults import Finding
from lab.api import Machine
from testbed.deployment.inject import hung, invites_of, power_cut, wait
from testbed.deployment.records import assert_one_record_each
from testbed.deployment.traffic import Outcome, Traffic
from testbed.deployment.world import World

pytestmark = [pytest.mark.e2e, pytest.mark.faults, pytest.mark.timeout(900)]

Report = Callable[[Finding], None]
Lists = list[set[tuple[int, str]]]
CONSUL, KAMAILIO = "consul.service", "kamailio.service"
ELECTION_LIMIT_S = 30.0
# From the power cut to a cluster of full size in which every service passes its checks. With two
# of three servers lost, the third one waits for a minute before it goes on alone.
HEALED_LIMIT_S = {1: 60.0, 2: 150.0, 3: 120.0}
TRAFFIC_S = {1: 20.0, 2: 90.0, 3: 60.0}


def _finding(fault: str, outcome: Outcome, takeover: str) -> Finding:
    return Finding(
        fault=fault, calls=outcome.placed, lost=outcome.failed, delay_ms=outcome.delay_ms,
        takeover=takeover,
    )  # fmt: skip


def _leader(world: World) -> str:
    """Address of the leader, "" without one."""
    for server in world.cluster.machines(None, CONSUL_SERVER):
        url = f"http://127.0.0.1:{ports.CONSUL_HTTP.number}/v1/status/leader"
        done = world.lab.exec(server, ["curl", "-s", "--max-time", "2", url], timeout=10)
        if done.returncode == 0 and ":" in done.stdout:
            return done.stdout.strip().strip('"').partition(":")[0]
    return ""


def _lists(world: World) -> Lists:
    cluster = world.cluster
    return [{(d.set_id, d.host) for d in cluster.destinations(s)} for s in world.exchange.sbcs()]


def _servers(world: World) -> list[Machine]:
    """The leader first."""
    leader = _leader(world)
    machines = world.cluster.machines(None, CONSUL_SERVER)
    return sorted(machines, key=lambda machine: machine.private_ip != leader)


def _consul(world: World, servers: Iterable[Machine], path: str) -> str:
    """What the first of the servers that answers says."""
    url = f"http://127.0.0.1:{ports.CONSUL_HTTP.number}/v1/{path}"
    for server in servers:
        done = world.lab.exec(server, ["curl", "-sf", "--max-time", "2", url], timeout=10)
        if done.returncode == 0:
            return done.stdout
    return ""


def _voters(world: World) -> set[str]:
    """Addresses of the servers that have a vote, by what the leader says."""
    found = json.loads(_consul(world, _servers(world), "operator/raft/configuration") or "{}")
    servers = found.get("Servers", [])
    return {str(server["Address"]).partition(":")[0] for server in servers if server["Voter"]}


@pytest.mark.parametrize("count", [1, 2, 3])
def test_lost_consul_servers_are_replaced_while_calls_go_on(
    world: World, report: Report, count: int
) -> None:
    """With two of three the quorum is lost, with three all that Consul knew."""
    cluster, tenant = world.cluster, world.tenant
    servers = _servers(world)
    lost, left = servers[:count], servers[count:]
    before = _lists(world)
    with Traffic(
        world, f"consul-lost-{count}", seconds=TRAFFIC_S[count], hold_s=30, rate=4
    ) as traffic:
        began = time.monotonic()
        for server in lost:
            power_cut(world, server)
        if count == 1:
            wait(lambda: _leader(world) != lost[0].private_ip, ELECTION_LIMIT_S, "a new leader")
        else:
            wait(lambda: _leader(world) == "", 20, "no leader")

        def healed() -> bool:
            assert _lists(world) == before, "the lists must stay"
            now = {machine.private_ip for machine in cluster.machines(None, CONSUL_SERVER)}
            return (
                _leader(world) != ""
                and len(now) == len(servers)
                and _voters(world) == now
                and cluster.health().ok
            )

        wait(lambda: _leader(world) != "", HEALED_LIMIT_S[count], "a leader")
        leader_s = time.monotonic() - began
        assert _lists(world) == before, "the lists must stay while there is no leader"
        wait(healed, HEALED_LIMIT_S[count], "servers, votes and services as before")
        healed_s = time.monotonic() - began
        outcome = traffic.wait()
    if count == 3:  # meanwhile lists lose nobody
        time.sleep(max(0.0, began + healed_s + NEW_FOR.total_seconds() - time.monotonic()))
    after = cluster.machines(None, CONSUL_SERVER)
    listed = _lists(world)

    # Does discovery really work again?
    victim, *_ = cluster.machines(tenant.name, Tier.ROUTER.value)
    power_cut(world, victim)
    unlisting = Unlisting(cluster, tenant, victim.private_ip)
    unlisting.run()
    what = {1: "Consul's leader loses its power", 2: "2 of 3 Consul servers lose their power"}
    takeover = (
        f"the last lists; a leader after {leader_s:.0f} s, all as before after {healed_s:.0f} s"
    )
    takeover += f"; then a dead router is off every list after {unlisting.seconds or 60:.1f} s"
    fault = what.get(count, "all Consul servers lose their power")
    report(_finding(fault, outcome, takeover))

    ids = {machine.instance_id for machine in after}
    assert not ids & {machine.instance_id for machine in lost}, "the fault did not happen"
    assert {machine.instance_id for machine in left} <= ids, "who survives stays"
    assert outcome.failed == 0, outcome
    assert_one_record_each(world, outcome.call_ids)
    assert listed == before
    assert healed_s <= HEALED_LIMIT_S[count]
    assert unlisting.seconds is not None
    assert unlisting.seconds <= LISTED_LIMIT_S


@pytest.mark.parametrize("count", [2, 3])
def test_calls_and_dispatching_go_on_while_consul_hangs(
    world: World, report: Report, count: int
) -> None:
    """Without a leader the last lists stay; probing alone passes a hung router by."""
    cluster, tenant = world.cluster, world.tenant
    servers = sorted(
        cluster.machines(None, CONSUL_SERVER), key=lambda m: m.private_ip != _leader(world)
    )
    router, other = cluster.machines(tenant.name, Tier.ROUTER.value)
    before = _lists(world)
    with Traffic(world, f"consul-{count}", seconds=14, hold_s=18) as traffic:
        with hung(world, servers[:count], CONSUL):
            wait(lambda: _leader(world) == "", 20, "no leader")
            already = invites_of(world, other)
            with hung(world, [router], KAMAILIO):
                wait(lambda: _inactive(world, router), 10, "probing finds the hung router")
                time.sleep(2)
                taken = invites_of(world, other) - already
                assert _lists(world) == before, "the lists must stay as they were"
        back_s = wait(lambda: _leader(world) != "", 60, "a leader again")
        outcome = traffic.wait()
    what = "2 of 3 Consul servers hang" if count == 2 else "all Consul servers hang"
    takeover = f"the last lists; by probing the other router ({taken} INVITEs)"
    takeover += f"; a leader {back_s:.0f} s after the end of the fault"
    report(_finding(f"{what}, then a router too", outcome, takeover))

    assert outcome.failed == 0, outcome
    assert taken > 0


def _inactive(world: World, router: Machine) -> bool:
    """Every SBC lists the router, and holds it for dead."""
    for sbc in world.exchange.sbcs():
        found = [d for d in world.cluster.destinations(sbc) if d.host == router.private_ip]
        if not found or not any(not d.active for d in found):
            return False
    return True
