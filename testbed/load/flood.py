"""Floods of SIP packets and of connections, from one source or from many."""

from __future__ import annotations

import ctypes
import itertools
import os
import socket
import struct
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from weakref import WeakKeyDictionary

from common import ports
from host.netns import enter
from testbed.load.sipp import Outcome, Talk, call
from testbed.sip.addresses import ATTACKER, CALLEE, CALLER, SBC1
from testbed.sip.netns import ip, run
from testbed.sip.node import Node
from testbed.sip.plane import Cluster
from testbed.sip.processes import memory
from testbed.sip.sources import forgive, publish, withdraw

SBC = SBC1[0]
SECONDS = 6
CALLS_PER_S = 50  # of those that go on beside a flood
CROWD = "198.18.0.0/16"  # sources that nobody has; answers to them end at the attacker
BATCH = 64
# Up to 70 000 were reached, but then the generator takes a whole processor from the SIP plane.
PER_S = 20_000
_memory: WeakKeyDictionary[Cluster, dict[str, int]] = WeakKeyDictionary()


class _Iovec(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


class _Header(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_void_p), ("namelen", ctypes.c_uint32), ("iov", ctypes.c_void_p),
        ("iovlen", ctypes.c_size_t), ("control", ctypes.c_void_p),
        ("controllen", ctypes.c_size_t), ("flags", ctypes.c_int), ("sent", ctypes.c_uint),
    )  # fmt: skip


def packet(source: str, payload: bytes) -> bytes:
    """IPv4 and UDP, SIP port to SIP port of the first SBC; the kernel fills in the checksum."""
    head = struct.pack(
        "!BBHHHBBH4s4s", 0x45, 0, 28 + len(payload), 0, 0, 64, 17, 0,
        socket.inet_aton(source), socket.inet_aton(SBC),
    )  # fmt: skip
    return (
        head
        + struct.pack("!HHHH", ports.SIP_DEFAULT, ports.SIP.number, 8 + len(payload), 0)
        + payload
    )


def request(method: str, source: str, number: int) -> bytes:
    """A request of a source, over UDP; the number makes it another one than the last."""
    return (
        f"{method} sip:100@{SBC} SIP/2.0\r\n"
        f"Via: SIP/2.0/UDP {source}:{ports.SIP_DEFAULT};branch=z9hG4bK{number}"
        f"\r\nFrom: <sip:m@{source}>;tag={number}\r\nTo: <sip:100@{SBC}>\r\nCall-ID: f{number}\r\n"
        f"CSeq: 1 {method}\r\nMax-Forwards: 70\r\nContact: <sip:m@{source}>\r\n"
        "Content-Length: 0\r\n\r\n"
    ).encode()


def payloads(sources: Sequence[str], number: int) -> Iterator[bytes]:
    """A mixture for every source: INVITE, REGISTER, OPTIONS, junk, a reply to nothing."""
    serial = itertools.count(1)
    makers = (
        lambda s: request("INVITE", s, next(serial)),
        lambda s: request("REGISTER", s, next(serial)),
        lambda s: request("OPTIONS", s, next(serial)),
        lambda s: os.urandom(300),
        lambda s: request("INVITE", s, next(serial)).replace(
            f"INVITE sip:100@{SBC} SIP/2.0".encode(), b"SIP/2.0 200 OK", 1
        ),
    )
    for i in range(number):
        source = sources[i % len(sources)]
        yield packet(source, makers[(i // len(sources) + i) % len(makers)](source))


class Flood:
    """Sends prepared packets round and round from a namespace."""

    def __init__(self, namespace: str, packets: Sequence[bytes], seconds: float) -> None:
        self.namespace, self.seconds = namespace, seconds
        self.sent, self.elapsed = 0, 0.0
        self._buffers = [ctypes.create_string_buffer(p, len(p)) for p in packets]
        self._address = ctypes.create_string_buffer(
            struct.pack("=H", socket.AF_INET) + struct.pack("!H", 0)
            + socket.inet_aton(SBC) + bytes(8), 16,
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

    def stop(self) -> None:
        """Wait for its end."""
        self._thread.join()

    def __str__(self) -> str:
        return f"{self.sent} packets, {self.sent / self.elapsed:.0f}/s"

    def _run(self) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        enter(self.namespace)
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


@contextmanager
def quiet_hosts(plane: Cluster) -> Iterator[tuple[str, str, str]]:
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
    withdraw(plane)
    for sbc in plane.tier("sbc"):
        for name in ("flooding", "untrusted_rate", "trusted"):
            command = ["nft", "flush", "set", "ip", "c4_edge", name]
            run(["ip", "netns", "exec", sbc.namespace, *command])


def warmed_up(plane: Cluster, where: tuple[str, str]) -> dict[str, int]:
    """The memory of the first SBC without calls, when calls have filled the caches."""
    if plane not in _memory:
        call(where, (CALLER, CALLEE), f"{SBC}:{ports.SIP}", ["100"], 20, 2, Talk(1, 1))
        time.sleep(6)  # until none of its transactions is left
        _memory[plane] = memory(plane.nodes["sbc1"])
    return _memory[plane]


def calls_beside(where: tuple[str, str]) -> Outcome:
    """Calls of those who have nothing to do with a flood."""
    return call(
        where, (CALLER, CALLEE), f"{SBC}:{ports.SIP}", ["100"], CALLS_PER_S, SECONDS, Talk(1, 1)
    )


def dropped(node: Node) -> dict[str, int]:
    """Packets that the kernel's rules dropped, by counter."""
    text = run(["ip", "netns", "exec", node.namespace, "nft", "list", "counters"])
    words = text.replace("{", " ").split()
    return {
        words[i + 1]: int(words[i + 3]) for i, word in enumerate(words)
        if word == "counter" and words[i + 2] == "packets"
    }  # fmt: skip


def crowd(number: int) -> list[str]:
    """That many addresses; at most 64 000."""
    return [f"198.18.{i // 250}.{i % 250 + 1}" for i in range(number)]


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
        enter(namespace)
        for source in itertools.cycle(sources):
            if self._stop.is_set():
                return
            with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
                sock.settimeout(1)
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                try:
                    sock.bind((source, 0))
                    sock.connect((SBC, self._port))
                    self.connections += 1
                    while self._data and not self._stop.is_set():
                        self.octets += sock.send(self._data)
                except OSError:
                    self.refused += 1

    def __str__(self) -> str:
        return f"{self.connections} connections, {self.refused} ended, {self.octets} octets"


def requests(source: str, method: str, number: int) -> bytes:
    """That many requests of a source, one after the other, over TCP."""
    made = (request(method, source, i) for i in range(number))
    return b"".join(made).replace(b"SIP/2.0/UDP", b"SIP/2.0/TCP")
