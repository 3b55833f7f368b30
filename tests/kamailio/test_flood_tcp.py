"""Floods over TCP, and by somebody who is known: calls of all others go on, nothing leaks."""

from __future__ import annotations

import os
import time

import pytest

from common import ports
from testbed.load import sipp
from testbed.load.flood import (
    CALLS_PER_S,
    SECONDS,
    Flood,
    TcpFlood,
    crowd,
    dropped,
    packet,
    request,
    requests,
)
from testbed.sip.addresses import ATTACKER, CALLEE, CALLER, SBC1
from testbed.sip.http import fetch
from testbed.sip.netns import ip
from testbed.sip.plane import Cluster, wait_until
from testbed.sip.processes import everybody, memory
from testbed.sip.sources import publish

pytestmark = [pytest.mark.sip, pytest.mark.slow, pytest.mark.timeout(600)]

SBC = SBC1[0]
# A record of a handshake, of 512 octets, that begins like a ClientHello.
HELLO = bytes.fromhex("16 03 01 02 00 01 00 01 fc 03 03")


def calls_beside(plane: Cluster, where: tuple[str, str], flood: TcpFlood | Flood) -> None:
    """Calls of others go on while it floods, no process ends, no memory is lost."""
    sbc, before = plane.nodes["sbc1"], everybody(plane)
    talk = sipp.Talk(1, 1)
    sipp.call(where, (CALLER, CALLEE), f"{SBC}:{ports.SIP}", ["100"], 20, 2, talk)  # caches, known
    time.sleep(6)  # transactions of the warm-up
    start, counted = memory(sbc), dropped(sbc)
    flood.start()
    outcome = sipp.call(
        where, (CALLER, CALLEE), f"{SBC}:{ports.SIP}", ["100"], CALLS_PER_S, SECONDS, talk
    )
    if isinstance(flood, TcpFlood):
        flood.stop()
        print(f"{flood.connections} connections, {flood.refused} ended, {flood.octets} octets")
    else:
        flood.join()
        print(f"{flood.sent} packets, {flood.sent / flood.elapsed:.0f}/s")
    gone = {name: value - counted[name] for name, value in dropped(sbc).items()}
    print(
        f"kernel dropped {gone}; calls {outcome.calls}, failed {outcome.failed}, refused "
        f"{outcome.refused}, retransmissions {outcome.retransmissions}, "
        f"p99 {sipp.quantile(outcome.setup_ms, 0.99)} ms"
    )
    text = fetch(plane, "sbc1", "/metrics")
    print([line for line in text.splitlines() if line.startswith("kamailio_c4_refused{")])
    assert outcome.calls == CALLS_PER_S * SECONDS
    assert (outcome.failed, outcome.refused) == (0, 0)
    assert everybody(plane) == before
    # What it writes before a reader crashes: the references to a connection do not add up.
    assert not any(map(sbc.logged, ("tcpconn_put_destroy", "io_watch_del")))
    for address in (CALLER, CALLEE, *(node.address for node in plane.nodes.values())):
        assert sbc.rpc("htable.get", "ban", address, check=False).startswith("error")
    wait_until(lambda: memory(sbc)["shared"] < start["shared"] + 2_000_000, 40, "shared memory")
    assert memory(sbc)["private"] < start["private"] + 1_000_000
    print("memory", start, memory(sbc))


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
    flood = TcpFlood(hosts[2], sources, 20, b"")
    calls_beside(plane, hosts[:2], flood)
    assert flood.connections > 100


@several
def test_flood_of_broken_handshakes(
    plane: Cluster, hosts: tuple[str, str, str], sources: list[str]
) -> None:
    """TLS: half a greeting, and what is none."""
    flood = TcpFlood(hosts[2], sources, 20, HELLO + os.urandom(2000), ports.SIPS.number)
    calls_beside(plane, hosts[:2], flood)
    assert flood.octets > 100_000


@several
@pytest.mark.parametrize("method", ["OPTIONS", "INVITE"])
def test_flood_over_connections(
    plane: Cluster, hosts: tuple[str, str, str], sources: list[str], method: str
) -> None:
    flood = TcpFlood(hosts[2], sources, 20, requests(sources[0], method, 200))
    calls_beside(plane, hosts[:2], flood)
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
        calls_beside(
            plane, hosts[:2], TcpFlood(hosts[2], [ATTACKER], 4, requests(ATTACKER, "INVITE", 200))
        )
        return
    packets = [packet(ATTACKER, request("INVITE", ATTACKER, i)) for i in range(5000)]
    calls_beside(plane, hosts[:2], Flood(hosts[2], packets, SECONDS))
