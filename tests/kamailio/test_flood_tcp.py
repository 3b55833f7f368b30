"""Floods over TCP, and by somebody who is known: calls of all others go on, nothing leaks."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TypeVar

import pytest

from common import ports
from testbed.load import sipp
from testbed.load.flood import (
    CALLS_PER_S,
    SECONDS,
    Flood,
    TcpFlood,
    calls_beside,
    crowd,
    dropped,
    packet,
    request,
    requests,
    warmed_up,
)
from testbed.load.undisturbed import undisturbed
from testbed.sip.addresses import ATTACKER, CALLEE, CALLER, SBC1
from testbed.sip.http import fetch
from testbed.sip.netns import ip
from testbed.sip.plane import Cluster, wait_until
from testbed.sip.processes import everybody, memory
from testbed.sip.sources import publish

pytestmark = [pytest.mark.sip, pytest.mark.slow, pytest.mark.timeout(600)]

SBC = SBC1[0]
AnyFlood = TypeVar("AnyFlood", Flood, TcpFlood)
# A record of a handshake, of 512 octets, that begins like a ClientHello.
HELLO = bytes.fromhex("16 03 01 02 00 01 00 01 fc 03 03")


def withstand(plane: Cluster, where: tuple[str, str], make: Callable[[], AnyFlood]) -> AnyFlood:
    """Calls of others go on while it floods, no process ends, no memory is lost."""
    sbc, before = plane.nodes["sbc1"], everybody(plane)
    start = warmed_up(plane, where)
    counted, floods = dict[str, int](), list[AnyFlood]()

    def measure() -> sipp.Outcome:
        counted.update(dropped(sbc))
        floods.append(make())
        floods[-1].start()
        outcome = calls_beside(where)
        floods[-1].stop()
        return outcome

    outcome, busy = undisturbed(measure)
    flood = floods[-1]
    print(flood)
    gone = {name: value - counted[name] for name, value in dropped(sbc).items()}
    print(
        f"kernel dropped {gone}; calls {outcome.calls}, failed {outcome.failed}, refused "
        f"{outcome.refused}, retransmissions {outcome.retransmissions}, "
        f"p99 {sipp.quantile(outcome.setup_ms, 0.99)} ms"
    )
    text = fetch(plane, "sbc1", "/metrics")
    print([line for line in text.splitlines() if line.startswith("kamailio_c4_refused{")])
    assert outcome.calls == CALLS_PER_S * SECONDS
    assert (outcome.failed, outcome.refused) == (0, 0) or busy
    assert everybody(plane) == before
    # What it writes before a reader crashes: the references to a connection do not add up.
    assert not any(map(sbc.logged, ("tcpconn_put_destroy", "io_watch_del")))
    for address in (CALLER, CALLEE, *(node.address for node in plane.nodes.values())):
        assert sbc.rpc("htable.get", "ban", address, check=False).startswith("error")
    wait_until(lambda: memory(sbc)["shared"] < start["shared"] + 2_000_000, 40, "shared memory")
    assert memory(sbc)["private"] < start["private"] + 1_000_000
    print("memory", start, memory(sbc))
    return flood


@pytest.fixture
def sources(
    plane: Cluster, hosts: tuple[str, str, str], request: pytest.FixtureRequest
) -> list[str]:
    """That many addresses of the attacker."""
    if request.param == 1:
        return [ATTACKER]
    made = crowd(request.param)
    for address in made:
        ip("-n", hosts[2], "address", "replace", f"{address}/32", "dev", "lo")
    return made


several = pytest.mark.parametrize(
    "sources", [1, 1000], ids=["one source", "thousand"], indirect=True
)


@several
def test_flood_of_connections(
    plane: Cluster, hosts: tuple[str, str, str], sources: list[str]
) -> None:
    flood = withstand(plane, hosts[:2], lambda: TcpFlood(hosts[2], sources, 20, b""))
    assert flood.connections > 100


@several
def test_flood_of_broken_handshakes(
    plane: Cluster, hosts: tuple[str, str, str], sources: list[str]
) -> None:
    """TLS: half a greeting, and what is none."""
    data = HELLO + os.urandom(2000)
    flood = withstand(
        plane, hosts[:2], lambda: TcpFlood(hosts[2], sources, 20, data, ports.SIPS.number)
    )
    assert flood.octets > 100_000


@several
@pytest.mark.parametrize(
    "method", [pytest.param("OPTIONS", marks=pytest.mark.exhaustive), "INVITE"]
)
def test_flood_over_connections(
    plane: Cluster, hosts: tuple[str, str, str], sources: list[str], method: str
) -> None:
    data = requests(sources[0], method, 200)
    flood = withstand(plane, hosts[:2], lambda: TcpFlood(hosts[2], sources, 20, data))
    assert flood.octets > 100_000


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_flood_of_a_known_source(
    plane: Cluster, hosts: tuple[str, str, str], transport: str
) -> None:
    """A trunk that is broken, or in the hands of somebody else: it had calls before."""
    publish(plane, [CALLER, ATTACKER])
    sipp.call(
        (hosts[2], hosts[1]),
        (ATTACKER, CALLEE),
        f"{SBC}:{ports.SIP}",
        ["100"],
        5,
        1,
        sipp.Talk(1, 1),
    )
    if transport == "tcp":
        data = requests(ATTACKER, "INVITE", 200)
        withstand(plane, hosts[:2], lambda: TcpFlood(hosts[2], [ATTACKER], 4, data))
        return
    packets = [packet(ATTACKER, request("INVITE", ATTACKER, i)) for i in range(5000)]
    withstand(plane, hosts[:2], lambda: Flood(hosts[2], packets, SECONDS))
