"""Do calls get through a healthy tenant?"""

from __future__ import annotations

import pytest

from common.names import service_name
from common.topology import Tier
from demo.cluster import CONSUL_SERVICE
from demo.scenarios import UNKNOWN_NUMBER
from demo.voice import voice as place_voice
from testbed.deployment.world import World

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]


def test_every_tier_is_in_consul_with_passing_checks(world: World) -> None:
    health = world.cluster.health()

    assert health.ok, health.summary
    assert len(health.passing(CONSUL_SERVICE)) == world.cluster.deployment.consul.servers
    for tier in Tier:
        passing = health.passing(service_name(world.tenant.name, tier))
        machines = world.cluster.machines(world.tenant.name, tier.value)
        assert {entry.address for entry in passing} == {m.private_ip for m in machines}


def test_instances_are_spread_over_the_zones(world: World) -> None:
    for tier in Tier:
        machines = world.cluster.machines(world.tenant.name, tier.value)
        assert len({machine.zone for machine in machines}) == min(len(machines), 3), tier


def test_public_tiers_have_an_elastic_ip_each(world: World) -> None:
    addresses = [
        machine.public_ip
        for tier in Tier
        if tier.has_public_address
        for machine in world.cluster.machines(world.tenant.name, tier.value)
    ]
    assert None not in addresses
    assert len(set(addresses)) == len(addresses)


def test_inbound_calls_by_did(world: World) -> None:
    calls = world.exchange.by_did(calls=10)

    assert calls.ok, calls
    assert calls.placed == 10 * len(world.exchange.sbcs())
    assert calls.ways == {("pbx 200",): calls.placed}
    assert all(count > 0 for count in calls.routers.values()), "a router got no call"


def test_inbound_calls_by_domain(world: World) -> None:
    calls = world.exchange.by_domain(calls=10)

    assert calls.ok, calls
    assert calls.ways == {("pbx 200",): calls.placed}


def test_call_to_an_unknown_number_is_refused_with_404(world: World) -> None:
    calls = world.exchange.place(UNKNOWN_NUMBER, calls=2)

    assert calls.ok, calls
    assert calls.ways == {(): calls.placed}, "nobody may be asked"


def test_voice_passes_both_ways_through_rtpengine(world: World) -> None:
    voice = place_voice(world.exchange, 4, lambda _: None)

    assert voice.round.ok, voice
    assert voice.ok, voice
