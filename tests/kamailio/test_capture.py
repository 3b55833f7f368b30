"""Copies of SIP for a Homer capture server (HEP 3)."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Iterator
from ipaddress import IPv4Address
from pathlib import Path
from typing import NamedTuple

import pytest

from common import ports
from common.topology import Tier
from rendering.kamailio_files import kamailio_files
from settings import load
from testbed.sip.addresses import CALLEE, CALLER, SBC1
from testbed.sip.agent import Agent, Message
from testbed.sip.calls import established
from testbed.sip.netns import socket_in
from testbed.sip.plane import Cluster, cluster, wait_until, with_sip

pytestmark = pytest.mark.sip
HOMER = ("10.40.66.9", 9060)


class Packet(NamedTuple):
    """A message that a node received or sent."""

    node: int  # its NODE_ID
    source: str
    target: str
    message: Message


def decode(data: bytes) -> Packet:
    """A HEP 3 packet; fails on anything else."""
    assert data[:4] == b"HEP3"
    assert struct.unpack(">H", data[4:6])[0] == len(data)
    chunks: dict[int, bytes] = {}
    at = 6
    while at < len(data):
        vendor, kind, length = struct.unpack(">HHH", data[at : at + 6])
        assert vendor == 0
        chunks[kind] = data[at + 6 : at + length]
        at += length

    def endpoint(address: int, port: int) -> str:
        return f"{IPv4Address(chunks[address])}:{struct.unpack('>H', chunks[port])[0]}"

    return Packet(
        node=struct.unpack(">I", chunks[0x0C])[0],
        source=endpoint(3, 7),
        target=endpoint(4, 8),
        message=Message.parse(chunks[0x0F]),
    )


class Homer:
    """A capture server that keeps what it gets."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.packets: list[Packet] = []
        self._closed = False
        self._thread = threading.Thread(target=self._loop, daemon=True)
        self._thread.start()

    def _loop(self) -> None:
        self.sock.settimeout(0.1)
        while not self._closed:
            try:
                self.packets.append(decode(self.sock.recv(65535)))
            except TimeoutError:
                continue

    def close(self) -> None:
        self._closed = True
        self._thread.join(1)
        self.sock.close()

    def of(self, call_id: str) -> list[Packet]:
        return [p for p in list(self.packets) if p.message.call_id == call_id]


@pytest.fixture(scope="module")
def plane(image_root: tuple[Path, ...]) -> Iterator[Cluster]:
    deployment = with_sip(load("demo"), capture={"homer": f"{HOMER[0]}:{HOMER[1]}"})
    with cluster(image_root, deployment) as made:
        yield made


@pytest.fixture(scope="module")
def host(plane: Cluster) -> str:
    """Namespace of the capture server; nothing listens there yet."""
    return plane.net.host("homer", HOMER[0])


@pytest.fixture
def homer(host: str) -> Iterator[Homer]:
    made = Homer(socket_in(host, socket.SOCK_DGRAM, HOMER))
    yield made
    made.close()


def test_a_call_is_seen_on_every_leg(
    plane: Cluster, homer: Homer, caller: Agent, callee: Agent
) -> None:
    call, _ = established(caller, callee)
    assert call.bye().status == 200
    sbc = plane.nodes["sbc1"]

    def seen(packet: Packet) -> str:
        m = packet.message
        return f"{m.status} {m.method}" if m.is_reply else m.method

    def legs(what: str) -> set[tuple[str, str]]:
        return {(p.source, p.target) for p in homer.of(call.call_id) if seen(p) == what}

    outside, caller_, callee_ = f"{sbc.address}:{ports.SIP}", f"{CALLER}:5060", f"{CALLEE}:5060"
    expected = {
        "INVITE": {(caller_, outside), (outside, callee_)},
        "200 INVITE": {(callee_, outside), (outside, caller_)},
        "BYE": {(caller_, outside), (outside, callee_)},
        "200 BYE": {(callee_, outside), (outside, caller_)},
    }
    wait_until(lambda: all(legs(what) >= ends for what, ends in expected.items()), what="messages")
    routers = {f"{r.address}:{ports.SIP_INTERNAL}" for r in plane.tier("rtr")}
    for what in ("INVITE", "BYE"):
        assert {target for _, target in legs(what)} & routers
    nodes = {int(IPv4Address(n.address)) & 0xFFFF: n.name for n in plane.nodes.values()}
    assert {nodes[p.node][:3] for p in homer.of(call.call_id)} == {"sbc", "rtr"}


def test_only_calls_are_captured(plane: Cluster, homer: Homer, caller: Agent) -> None:
    """Probes go every second, DMQ with every call."""
    plane.nodes["sbc1"].rpc("htable.sets", "ban", "198.51.100.77", "test")
    banned = plane.ua("198.51.100.77")
    call = banned.call(SBC1)
    assert call.invite(timeout=0.3).status == 0
    time.sleep(2.2)
    plane.nodes["sbc1"].rpc("htable.delete", "ban", "198.51.100.77")
    assert not homer.packets


@pytest.mark.parametrize("how", ["closed", "gone"])
def test_a_dead_capture_server_hurts_no_call(
    plane: Cluster, host: str, caller: Agent, callee: Agent, how: str
) -> None:
    """Its port is closed, or the host has vanished: calls go on as before, nothing is logged."""
    size = {node.name: node.log.stat().st_size for node in plane.nodes.values()}
    if how == "gone":
        plane.net.cut("homer")
    try:
        for _ in range(20):
            call = caller.call(SBC1)
            result = call.invite()
            assert result.status == 200
            assert result.own_s < 0.5
            assert result.retransmissions == 0
            call.ack()
            assert call.bye().own_s < 0.3
    finally:
        if how == "gone":
            plane.net.cut("homer", connected=True)
    for node in plane.tier("sbc") + plane.tier("rtr"):
        assert node.log.stat().st_size - size[node.name] < 10_000
    assert plane.nodes["sbc1"].logged("siptrace") == 0


@pytest.mark.parametrize("tier", [Tier.SBC, Tier.ROUTER], ids=str)
def test_capture_that_is_off_costs_nothing(plane: Cluster, tier: Tier) -> None:
    """Kamailio does not even load the module."""
    off = load("demo")
    assert "siptrace" in kamailio_files(plane.deployment, plane.tenant, tier)[0].content
    assert "siptrace" not in kamailio_files(off, off.tenants[0], tier)[0].content
