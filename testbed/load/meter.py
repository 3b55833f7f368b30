"""Processor time and memory of groups of processes."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
SAMPLE_S = 5.0  # each sample runs a kamcmd per node


def processor_s(leader: int) -> float:
    """Seconds of processor time of the living processes of a group."""
    return sum(int(f[11]) + int(f[12]) for f in _processes(leader)) / TICKS


def resident_mb(leader: int) -> float:
    """Resident memory of the processes of a group, MiB; shared pages count in each."""
    return sum(int(f[21]) for f in _processes(leader)) * os.sysconf("SC_PAGE_SIZE") / 2**20


def _processes(leader: int) -> Iterator[list[str]]:
    """Fields of /proc/PID/stat after the name, of the leader's session and of its children."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:  # ended meanwhile
            continue
        if leader in (int(fields[3]), int(fields[1]), int(path.parent.name)):
            yield fields


def shared_mb(rpc: Callable[..., str]) -> float:
    """Shared memory that a Kamailio uses now, MiB."""
    found = re.search(r"real_used: (\d+)", rpc("core.shmmem"))
    assert found is not None
    return int(found[1]) / 2**20


def idle_s() -> tuple[float, float]:
    """Seconds that the machine's processors were idle, and seconds in all, since its start."""
    fields = [int(f) for f in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    return (fields[3] + fields[4]) / TICKS, sum(fields) / TICKS


@dataclass
class Memory:
    """Samples in MiB, by name, one every few seconds."""

    samples: dict[str, list[float]] = field(default_factory=dict)

    @contextmanager
    def watched(self, read: Mapping[str, Callable[[], float]]) -> Iterator[None]:
        """Sample in the background."""
        stop = threading.Event()

        def sample() -> None:
            while not stop.wait(SAMPLE_S):
                for name, value in read.items():
                    self.samples.setdefault(name, []).append(value())

        thread = threading.Thread(target=sample, daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join(10)
