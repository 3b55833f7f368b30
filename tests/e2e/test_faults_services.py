"""What happens to calls when what the SIP plane depends on is lost: lookups, media, packets?

Each test makes sure that the fault happened, looks who took over, and reports what it cost.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest

from common import ports
from common.topology import Tier
from docs_gen.faults import Finding
from lab.api import Machine
from sipp.scenarios import Caller
from testbed.deployment.inject import hung, lossy, power_cut, wait
from testbed.deployment.records import assert_one_record_each
from testbed.deployment.traffic import Outcome, Traffic
from testbed.deployment.world import World

pytestmark = [pytest.mark.e2e, pytest.mark.faults, pytest.mark.timeout(900)]

Report = Callable[[Finding], None]
REPLACEMENT_LIMIT_S = 120.0
LOOKUP_LIMIT_MS = 4500  # two answers that do not come, 2 s each
RELAY_LIMIT_MS = 2500
LIST_DELAY_S = 16.0  # Kamailio takes a list of rtpengines each 10 s at most, the agent tries each 5
SERVER = """
import http.server

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_error(500)
    do_POST = do_GET

http.server.ThreadingHTTPServer({address}, Handler).serve_forever()
"""
CONFD = "router-confd.service"


def _finding(fault: str, outcome: Outcome, takeover: str) -> Finding:
    return Finding(
        fault=fault, calls=outcome.placed, lost=outcome.failed, delay_ms=outcome.delay_ms,
        takeover=takeover,
    )  # fmt: skip


# --- router-confd ----------------------------------------------------------------------------


def test_calls_go_on_when_a_router_confd_instance_dies(world: World, report: Report) -> None:
    before = world.cluster.machines(world.tenant.name, Tier.ROUTER_CONFD.value)
    with Traffic(world, "confd-dead", seconds=8, hold_s=10) as traffic:
        power_cut(world, before[0])
        outcome = traffic.wait()
    report(_finding("router-confd instance loses its power", outcome, "the other instance"))

    assert outcome.failed == 0, outcome
    assert_one_record_each(world, outcome.call_ids)

    def replaced() -> bool:
        machines = world.cluster.machines(world.tenant.name, Tier.ROUTER_CONFD.value)
        return len(machines) == len(before) and before[0].instance_id not in {
            machine.instance_id for machine in machines
        }

    wait(replaced, REPLACEMENT_LIMIT_S, "a new router-confd instance")


def test_calls_go_on_when_a_router_confd_instance_hangs(world: World, report: Report) -> None:
    (instance, *_) = world.cluster.machines(world.tenant.name, Tier.ROUTER_CONFD.value)
    with (
        Traffic(world, "confd-hung", seconds=8, hold_s=10) as traffic,
        hung(world, [instance], CONFD),
    ):
        outcome = traffic.wait()
    report(_finding("router-confd instance hangs (SIGSTOP)", outcome, "the other instance"))

    assert outcome.failed == 0, outcome
    assert outcome.delay_ms <= LOOKUP_LIMIT_MS, outcome


@contextmanager
def _hanging(world: World, machine: Machine) -> Iterator[None]:
    with hung(world, [machine], CONFD):
        yield


@pytest.mark.parametrize("kind", ["down", "hanging", "answering 500"])
def test_without_any_router_confd_only_new_calls_fail_and_only_meanwhile(
    world: World, report: Report, kind: str
) -> None:
    """Calls that ring or are established need no lookup."""
    faults = {"down": _stopped, "hanging": _hanging, "answering 500": _answering_500}
    instances = world.cluster.machines(world.tenant.name, Tier.ROUTER_CONFD.value)
    with Traffic(world, f"confd-{kind.split()[0]}", seconds=0, ring_s=6, hold_s=12) as traffic:
        with ExitStack() as fault:
            for instance in instances:
                fault.enter_context(faults[kind](world, instance))
            began = time.monotonic()
            refused = [_refused(world, sbc) for sbc in world.exchange.sbcs()]
        window_s = time.monotonic() - began
        recovered_s = wait(lambda: _answered(world), 30, "new calls after the fault")
        outcome = traffic.wait()
    report(
        Finding(
            fault=f"every router-confd {kind}", calls=outcome.placed + sum(refused),
            lost=outcome.failed, refused=sum(refused), delay_ms=outcome.delay_ms,
            window=f"new calls, {window_s + recovered_s:.0f} s",
            takeover=f"nobody; the same instances {recovered_s:.0f} s after the end of the fault",
        )
    )  # fmt: skip

    assert all(refused), "the fault did not happen"
    assert outcome.failed == 0, outcome


def _refused(world: World, sbc: Machine) -> int:
    """Calls of two that are refused with 500, not left without an answer."""
    with world.exchange.caller("refused", sbc, Caller(expect=500), calls=2, rate=5) as call:
        result = call.wait(40)
    assert result.ok, result
    return result.answered


def _answered(world: World) -> bool:
    """A call through each SBC is answered."""
    for sbc in world.exchange.sbcs():
        with world.exchange.caller("again", sbc, Caller(hold_ms=100)) as call:
            if not call.wait(30).ok:
                return False
    return True


@contextmanager
def _stopped(world: World, machine: Machine) -> Iterator[None]:
    """The service is stopped: connections are refused."""
    world.cluster.run(machine, "systemctl", "stop", CONFD, timeout=40)
    try:
        yield
    finally:
        world.cluster.run(machine, "systemctl", "start", CONFD, timeout=40)


@contextmanager
def _answering_500(world: World, machine: Machine) -> Iterator[None]:
    """In the place of the service, a server that answers 500 to everything."""
    address = f"({machine.private_ip!r}, {ports.ROUTER_CONFD_INTERNAL.number})"
    unit = "c4-fault.service"
    with _stopped(world, machine):
        world.cluster.run(
            machine, "systemd-run", "--collect", f"--unit={unit}", "/usr/bin/python3", "-c",
            SERVER.format(address=address),
        )  # fmt: skip
        try:
            yield
        finally:
            world.cluster.run(machine, "systemctl", "stop", unit)


# --- packets and media -----------------------------------------------------------------------


def test_calls_survive_the_loss_of_packets_inside(world: World, report: Report) -> None:
    machines = [
        machine
        for tier in Tier
        for machine in world.cluster.machines(world.tenant.name, tier.value)
    ]
    with (
        lossy(world, machines, 5) as lost,
        Traffic(world, "loss", seconds=12, hold_s=14) as traffic,
    ):
        outcome = traffic.wait()
        packets = lost()
    takeover = f"retransmission ({packets} packets lost), sometimes the other router"
    report(_finding("5 % of the packets between instances are lost", outcome, takeover))

    assert packets > 100, "the fault did not happen"
    assert outcome.failed == 0, outcome


def _sessions(world: World, machine: Machine) -> int:
    """Calls whose media an rtpengine relays."""
    url = f"http://{machine.private_ip}:{ports.RTPENGINE_HTTP.number}/metrics"
    text = world.cluster.run(machine, "curl", "-s", url)
    (line,) = (row for row in text.splitlines() if row.startswith('rtpengine_sessions{type="own"}'))
    return int(line.split()[1])


def test_calls_go_to_another_rtpengine_when_one_dies(world: World, report: Report) -> None:
    """Calls on the dead one are silent until a re-INVITE moves them; they end normally."""
    cluster, tenant = world.cluster, world.tenant
    # Packets that were lost a moment ago may have taken the other one off the routers' lists.
    cluster.wait_healthy(lambda _: None, timeout=60, check=lambda: None)
    time.sleep(LIST_DELAY_S)
    relays = cluster.machines(tenant.name, Tier.RTP.value)
    with Traffic(world, "rtpengine", seconds=10, hold_s=14) as traffic:
        victim = max(relays, key=lambda machine: _sessions(world, machine))
        (other,) = (machine for machine in relays if machine is not victim)
        hit = _sessions(world, victim)
        power_cut(world, victim)
        time.sleep(5)
        taken = _sessions(world, other)
        outcome = traffic.wait()
    report(
        _finding(
            "rtpengine loses its power", outcome,
            f"the other rtpengine ({taken} calls then); {hit} calls silent until a re-INVITE",
        )
    )  # fmt: skip

    assert hit > 0, "no call on it"
    assert taken > 0
    assert outcome.failed == 0, outcome
    assert outcome.delay_ms <= RELAY_LIMIT_MS, outcome
