"""Calls at a deployment while something breaks, and what its nodes know of them."""

from __future__ import annotations

from common import paths
from lab.api import Machine
from sipp.scenarios import Caller
from sipp.sipp import Sipp
from testbed.deployment.inject import wait
from testbed.deployment.world import World

# 0.5 s, or 6.5 s for a call whose way the router was just looking up (tests/kamailio tells them
# apart), and what machines add that boot meanwhile.
LOOKUP_LIMIT_MS = 8000
ADDRESS_LIMIT_S = 60.0  # until a dead SBC's address is served again


def dialogs(world: World, machine: Machine) -> str:
    """As Kamailio dumps them; `dlg.list` is soon more than kamcmd takes."""
    dump = f"{paths.DIALOGS}/test.json"
    try:
        world.cluster.run(machine, "kamcmd", "dlg.dump_file", dump)
        return world.cluster.run(machine, "cat", dump)
    finally:
        world.cluster.run(machine, "rm", "-f", dump)


def knows_all(world: World, machine: Machine, calls: list[Sipp]) -> None:
    """A node that joined late has got the dialogs of calls that go on."""
    wanted = {call_id for call in calls for call_id in call.result().call_ids}

    def known() -> bool:
        listed = dialogs(world, machine)
        return all(call_id in listed for call_id in wanted)

    wait(known, 10, f"{len(wanted)} established calls at {machine.instance_id}")
    assert all(call.running for call in calls), "they must last until then"


def one_call(world: World, sbc: Machine) -> tuple[int, int]:
    """Answered and failed calls of one that gives up after 2 s."""
    with world.exchange.caller(
        "probe", sbc, Caller(hold_ms=100), timeout_s=10, receive_ms=2000
    ) as call:
        result = call.wait(15)
    return result.answered, result.failed
