"""What happens to calls when Kamailio alone is killed, and systemd starts it again?

Each test makes sure that the fault happened, looks who took over, and reports what it cost.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from common.topology import Tier
from docs_gen.faults import Finding
from lab.api import Machine
from testbed.deployment.calls import LOOKUP_LIMIT_MS, knows_all, one_call
from testbed.deployment.inject import KAMAILIO, invites_of, kill_service, wait
from testbed.deployment.records import assert_one_record_each
from testbed.deployment.traffic import Traffic
from testbed.deployment.world import World

pytestmark = [pytest.mark.e2e, pytest.mark.faults, pytest.mark.timeout(900)]

Report = Callable[[Finding], None]
RESTART_LIMIT_S = 15.0


def test_killed_router_process_comes_back_with_its_calls(world: World, report: Report) -> None:
    """Nobody needs to have noticed: it may answer probes again before one was missed."""
    victim, other = world.cluster.machines(world.tenant.name, Tier.ROUTER.value)
    with Traffic(world, "router-killed", seconds=14, hold_s=20) as traffic:
        before = invites_of(world, other)
        restarted = kill_service(world, victim, KAMAILIO)
        back_s = wait(
            lambda: restarted() and _answers(world, victim), RESTART_LIMIT_S, "Kamailio runs again"
        )
        knows_all(world, victim, traffic.held)
        outcome = traffic.wait()
        taken = invites_of(world, other) - before
        own = invites_of(world, victim)
    report(
        Finding(
            fault="router's Kamailio is killed (kill -9)", calls=outcome.placed,
            lost=outcome.failed, delay_ms=outcome.delay_ms,
            takeover=f"the other router ({taken} INVITEs) and itself, again after {back_s:.1f} s, "
            f"with its dialogs from the other ({own} INVITEs)",
        )
    )  # fmt: skip

    assert outcome.failed == 0, outcome
    assert outcome.delay_ms <= LOOKUP_LIMIT_MS, outcome
    assert taken > 0
    assert own > 0, "it came back, but gets no calls"
    assert_one_record_each(world, outcome.call_ids)


def _answers(world: World, machine: Machine) -> bool:
    return world.lab.exec(machine, ["kamcmd", "core.uptime"]).returncode == 0


def test_killed_sbc_process_comes_back_with_its_calls(world: World, report: Report) -> None:
    """What rings and what is established goes on; only new calls fail until it is back."""
    victim, other = world.exchange.sbcs()
    with (
        Traffic(world, "sbc-beside", seconds=12, hold_s=14, sbcs=[other], pbx=False) as beside,
        Traffic(world, "sbc-killed", seconds=0, ring_s=12, hold_s=20, sbcs=[victim]) as held,
    ):
        restarted = kill_service(world, victim, KAMAILIO)
        died = time.monotonic()
        refused = 0
        while one_call(world, victim) != (1, 0):
            refused += 1
            assert time.monotonic() - died < RESTART_LIMIT_S, "nobody serves the address"
        served_s = time.monotonic() - died
        assert restarted(), "the fault did not happen"
        knows_all(world, victim, held.held)
        through_other = beside.wait()
        through_victim = held.wait()
    placed = through_other.placed + through_victim.placed + refused + 1
    report(
        Finding(
            fault="SBC's Kamailio is killed (kill -9)", calls=placed,
            lost=through_other.failed + through_victim.failed, refused=refused,
            window=f"new calls through it, {served_s:.0f} s",
            delay_ms=max(through_other.delay_ms, through_victim.delay_ms),
            takeover="itself, with its dialogs and ringing calls from the other SBC",
        )
    )  # fmt: skip

    assert through_other.failed == 0, through_other
    assert through_victim.failed == 0, through_victim
    assert_one_record_each(world, through_other.call_ids + through_victim.call_ids)
    calls = world.exchange.by_did(calls=10)
    assert calls.ok, calls
