"""Floods: calls of those who are known go on, nothing leaks."""

from __future__ import annotations

import ctypes
import itertools
import os
import socket
import struct
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from common.topology import Tier
from rendering.kamailio_files import EDGE_RULES, kamailio_files
from testbed.load import sipp
from testbed.sip.attack import ATTACKER, everybody, forgive, processes
from testbed.sip.netns import CLONE_NEWNET, ip, run
from testbed.sip.node import Node
from testbed.sip.plane import CALLEE, CALLER, SBCS, Cluster, wait_until
from tests.kamailio.test_sources import HEAD, publish

pytestmark = [pytest.mark.sip, pytest.mark.slow]
SBC1 = SBCS["sbc1"][1]
SECONDS = 6
CALLS_PER_S = 50
CROWD = "198.18.0.0/16"  # sources that nobody has; answers to them end at the attacker
BATCH = 64
# Up to 70 000 were reached, but then the generator takes a whole processor from the SIP plane.
PER_S = 20_000


class _Iovec(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


class _Header(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_void_p), ("namelen", ctypes.c_uint32), ("iov", ctypes.c_void_p),
        ("iovlen", ctypes.c_size_t), ("control", ctypes.c_void_p),
        ("controllen", ctypes.c_size_t), ("flags", ctypes.c_int), ("sent", ctypes.c_uint),
    )  # fmt: skip


def _packet(source: str, payload: bytes) -> bytes:
    """IPv4 and UDP, port 5060 to port 5060 of the first SBC; the kernel fills in the checksum."""
    head = struct.pack(
        "!BBHHHBBH4s4s", 0x45, 0, 28 + len(payload), 0, 0, 64, 17, 0,
        socket.inet_aton(source), socket.inet_aton(SBC1),
    )  # fmt: skip
    return head + struct.pack("!HHHH", 5060, 5060, 8 + len(payload), 0) + payload


def _request(method: str, source: str, number: int) -> bytes:
    return (
        f"{method} sip:100@{SBC1} SIP/2.0\r\nVia: SIP/2.0/UDP {source}:5060;branch=z9hG4bK{number}"
        f"\r\nFrom: <sip:m@{source}>;tag={number}\r\nTo: <sip:100@{SBC1}>\r\nCall-ID: f{number}\r\n"
        f"CSeq: 1 {method}\r\nMax-Forwards: 70\r\nContact: <sip:m@{source}>\r\n"
        "Content-Length: 0\r\n\r\n"
    ).encode()


def payloads(sources: Sequence[str], number: int) -> Iterator[bytes]:
    """A mixture for every source: INVITE, REGISTER, OPTIONS, junk, a reply to nothing."""
    serial = itertools.count(1)
    makers = (
        lambda s: _request("INVITE", s, next(serial)),
        lambda s: _request("REGISTER", s, next(serial)),
        lambda s: _request("OPTIONS", s, next(serial)),
        lambda s: os.urandom(300),
        lambda s: _request("INVITE", s, next(serial)).replace(
            f"INVITE sip:100@{SBC1} SIP/2.0".encode(), b"SIP/2.0 200 OK", 1
        ),
    )
    for i in range(number):
        source = sources[i % len(sources)]
        yield _packet(source, makers[(i // len(sources) + i) % len(makers)](source))


class Flood:
    """Sends prepared packets round and round from a namespace."""

    def __init__(self, namespace: str, packets: Sequence[bytes], seconds: float) -> None:
        self.namespace, self.seconds = namespace, seconds
        self.sent, self.elapsed = 0, 0.0
        self._buffers = [ctypes.create_string_buffer(p, len(p)) for p in packets]
        self._address = ctypes.create_string_buffer(
            struct.pack("=H", socket.AF_INET) + struct.pack("!H", 0)
            + socket.inet_aton(SBC1) + bytes(8), 16,
        )  # fmt: skip
        iovecs = (_Iovec * len(packets))()
        self._headers = (_Header * len(packets))()
        for i, buffer in enumerate(self._buffers):
            iovecs[i].base, iovecs[i].length = ctypes.addressof(buffer), len(packets[i])
            header = self._headers[i]
            header.name, header.namelen = ctypes.addressof(self._address), 16
            header.iov, header.iovlen = ctypes.addressof(iovecs[i]), 1
        self._iovecs = iovecs
        self._thread = threading.Thread(target=self._run)

    def start(self) -> None:
        self._thread.start()

    def join(self) -> None:
        self._thread.join()

    def _run(self) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        fd = os.open(f"/run/netns/{self.namespace}", os.O_RDONLY)
        assert libc.setns(fd, CLONE_NEWNET) == 0
        os.close(fd)
        raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
        size, start = ctypes.sizeof(_Header), time.monotonic()
        first = ctypes.addressof(self._headers)
        blocks = range(0, len(self._buffers) - BATCH + 1, BATCH)
        while self.elapsed < self.seconds:
            for at in blocks:
                done = libc.sendmmsg(raw.fileno(), ctypes.c_void_p(first + at * size), BATCH, 0)
                self.sent += max(0, done)
                early = start + self.sent / PER_S - time.monotonic()
                if early > 0.001:
                    time.sleep(early)
            self.elapsed = time.monotonic() - start
        raw.close()


def memory(node: Node) -> dict[str, int]:
    """Bytes used in shared memory, and resident bytes of the process that has most of its own."""
    shared = dict(
        line.strip().split(": ") for line in node.rpc("core.shmmem").splitlines() if ": " in line
    )
    largest = 0
    for pid in processes(node):
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        fields = dict(line.split(":", 1) for line in text.splitlines() if "kB" in line)
        largest = max(largest, int(fields["Private_Dirty"].split()[0]) * 1024)
    return {"shared": int(shared["used"]), "private": largest}


def dropped(node: Node) -> dict[str, int]:
    """Packets that the kernel's rules dropped, by counter."""
    text = run(["ip", "netns", "exec", node.namespace, "nft", "list", "counters"])
    words = text.replace("{", " ").split()
    return {
        words[i + 1]: int(words[i + 3]) for i, word in enumerate(words)
        if word == "counter" and words[i + 2] == "packets"
    }  # fmt: skip


@pytest.fixture
def hosts(plane: Cluster) -> Iterator[tuple[str, str, str]]:
    """Namespaces of caller, callee and attacker, with nobody on their ports."""
    for address in (CALLER, CALLEE, ATTACKER):
        agent = plane.ua(address)
        plane.agents.remove(agent)
        agent.close()
    attacker = plane.namespace_of(ATTACKER)
    ip("-n", plane.net.gateway, "route", "replace", CROWD, "via", ATTACKER)
    ip("-n", attacker, "route", "replace", "blackhole", CROWD)
    publish(plane, [CALLER])  # router-confd knows the caller, and none of the flood
    yield plane.namespace_of(CALLER), plane.namespace_of(CALLEE), attacker
    forgive(plane)
    for sbc in plane.tier("sbc"):
        plane.apply(sbc, "provisioned-sources", [HEAD])
        for name in ("flooding", "untrusted_rate", "trusted"):
            command = ["nft", "flush", "set", "ip", "c4_edge", name]
            run(["ip", "netns", "exec", sbc.namespace, *command])


def crowd(number: int) -> list[str]:
    return [f"198.18.{i // 250}.{i % 250 + 1}" for i in range(number)]


@pytest.mark.timeout(180)
@pytest.mark.parametrize(
    "sources", [[ATTACKER], crowd(1000), crowd(60_000)], ids=["one", "thousand", "spoofed"]
)
def test_calls_go_on_in_a_flood(
    plane: Cluster, hosts: tuple[str, str, str], sources: list[str]
) -> None:
    sbc, before = plane.nodes["sbc1"], everybody(plane)
    talk = sipp.Talk(1, 1)
    sipp.call(hosts[:2], (CALLER, CALLEE), f"{SBC1}:5060", ["100"], 20, 2, talk)  # caches, known
    time.sleep(6)  # transactions of the warm-up
    start, counted = memory(sbc), dropped(sbc)
    packets = list(payloads(sources, max(5000, len(sources))))
    flood = Flood(hosts[2], packets, SECONDS)
    flood.start()
    outcome = sipp.call(
        hosts[:2], (CALLER, CALLEE), f"{SBC1}:5060", ["100"], CALLS_PER_S, SECONDS, talk
    )
    flood.join()
    gone = {name: value - counted[name] for name, value in dropped(sbc).items()}
    rate = flood.sent / flood.elapsed
    print(
        f"{len(sources)} sources: {flood.sent} packets, {rate:.0f}/s; kernel dropped {gone}; "
        f"calls {outcome.calls}, failed {outcome.failed}, refused {outcome.refused}, "
        f"retransmissions {outcome.retransmissions}, p99 {sipp.quantile(outcome.setup_ms, 0.99)} ms"
    )
    assert rate > PER_S / 8, "the generator was too slow for a flood"
    assert outcome.calls == CALLS_PER_S * SECONDS
    assert (outcome.failed, outcome.refused) == (0, 0)
    assert everybody(plane) == before
    assert sum(gone.values()) > 0.8 * flood.sent
    kernel = run(
        ["ip", "netns", "exec", sbc.namespace, "nft", "list", "set", "ip", "c4_edge", "flooding"]
    )
    if len(sources) == 1:
        assert f"{ATTACKER} " in kernel
    assert CALLER not in kernel
    assert "10.40." not in kernel
    for address in (CALLER, CALLEE, *(node.address for node in plane.nodes.values())):
        assert sbc.rpc("htable.get", "ban", address, check=False).startswith("error")
    wait_until(lambda: memory(sbc)["shared"] < start["shared"] + 2_000_000, 40, "shared memory")
    assert memory(sbc)["private"] < start["private"] + 1_000_000
    print("memory", start, memory(sbc))


def test_rules_may_be_loaded_again(plane: Cluster) -> None:
    """As when Kamailio is started again: no rule twice, nothing learned is lost."""
    sbc = plane.nodes["sbc1"]
    nft = ["ip", "netns", "exec", sbc.namespace, "nft"]
    run([*nft, "add", "element", "ip", "c4_edge", "trusted", "{ 192.0.2.7 }"])
    before = run([*nft, "list", "chain", "ip", "c4_edge", "pre"])
    files = kamailio_files(plane.deployment, plane.tenant, Tier.SBC)
    (rules,) = [file for file in files if file.path == EDGE_RULES]
    run([*nft, "-f", "-"], text=rules.content)
    assert run([*nft, "list", "chain", "ip", "c4_edge", "pre"]) == before
    assert "192.0.2.7" in run([*nft, "list", "set", "ip", "c4_edge", "trusted"])
