"""Floods over TCP, and by somebody who is known: calls of all others go on, nothing leaks."""

from __future__ import annotations

import ctypes
import itertools
import os
import socket
import threading
import time
from collections.abc import Sequence

import pytest

from common import ports
from testbed.load import sipp
from testbed.sip.attack import ATTACKER, everybody
from testbed.sip.netns import CLONE_NEWNET, ip
from testbed.sip.plane import CALLEE, CALLER, Cluster, wait_until
from tests.kamailio.test_edge import fetch
from tests.kamailio.test_flood import (
    CALLS_PER_S,
    SBC1,
    SECONDS,
    Flood,
    _packet,
    _request,
    crowd,
    dropped,
    hosts,
    memory,
)
from tests.kamailio.test_sources import publish

__all__ = ["hosts"]  # the fixture
pytestmark = [pytest.mark.sip, pytest.mark.slow, pytest.mark.timeout(180)]


# A record of a handshake, of 512 octets, that begins like a ClientHello.
HELLO = bytes.fromhex("16 03 01 02 00 01 00 01 fc 03 03")


class TcpFlood:
    """Connects again and again, from each source in turn; sends `data` until the other end closes,
    or, without any, closes at once."""

    def __init__(
        self,
        namespace: str,
        sources: Sequence[str],
        threads: int,
        data: bytes,
        port: int = ports.SIP.number,
    ) -> None:
        self.connections, self.refused, self.octets = 0, 0, 0
        self._stop = threading.Event()
        self._data, self._port = data, port
        shares = [sources[i::threads] or sources for i in range(threads)]
        self._threads = [threading.Thread(target=self._run, args=(namespace, s)) for s in shares]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self, namespace: str, sources: Sequence[str]) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        fd = os.open(f"/run/netns/{namespace}", os.O_RDONLY)
        assert libc.setns(fd, CLONE_NEWNET) == 0
        os.close(fd)
        for source in itertools.cycle(sources):
            if self._stop.is_set():
                return
            with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
                sock.settimeout(1)
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                try:
                    sock.bind((source, 0))
                    sock.connect((SBC1, self._port))
                    self.connections += 1
                    while self._data and not self._stop.is_set():
                        self.octets += sock.send(self._data)
                except OSError:
                    self.refused += 1


def requests(source: str, method: str, number: int) -> bytes:
    made = (_request(method, source, i) for i in range(number))
    return b"".join(made).replace(b"SIP/2.0/UDP", b"SIP/2.0/TCP")


def calls_beside(plane: Cluster, where: tuple[str, str], flood: TcpFlood | Flood) -> None:
    """Calls of others go on while it floods, no process ends, no memory is lost."""
    sbc, before = plane.nodes["sbc1"], everybody(plane)
    talk = sipp.Talk(1, 1)
    sipp.call(where, (CALLER, CALLEE), f"{SBC1}:5060", ["100"], 20, 2, talk)  # caches, known
    time.sleep(6)  # transactions of the warm-up
    start, counted = memory(sbc), dropped(sbc)
    flood.start()
    outcome = sipp.call(
        where, (CALLER, CALLEE), f"{SBC1}:5060", ["100"], CALLS_PER_S, SECONDS, talk
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
        (hosts[2], hosts[1]), (ATTACKER, CALLEE), f"{SBC1}:5060", ["100"], 5, 1, sipp.Talk(1, 1)
    )
    if transport == "tcp":
        calls_beside(
            plane, hosts[:2], TcpFlood(hosts[2], [ATTACKER], 4, requests(ATTACKER, "INVITE", 200))
        )
        return
    packets = [_packet(ATTACKER, _request("INVITE", ATTACKER, i)) for i in range(5000)]
    calls_beside(plane, hosts[:2], Flood(hosts[2], packets, SECONDS))
