"""What other work on the machine did to a test: how long its programs waited for a processor, and
how many processors the others kept busy.

A limit of a test is about our programs, so what they waited is taken off before it is compared.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from heapq import nlargest
from pathlib import Path

# A request and its reply pass so many processes at most, one after the other.
IN_A_ROW = 6
REFRESH_S = 1.0


class _Tasks:
    """The threads of this process and of all that it has started."""

    def __init__(self) -> None:
        self._found: list[str] = []
        self._parents: dict[str, str] = {}
        self._due = 0.0

    def waits(self) -> dict[str, int]:
        """Nanoseconds that each has been ready to run and did not, by its file in /proc."""
        if time.monotonic() > self._due:
            self._found = [file for pid in self.family() for file in _threads(pid)]
            self._due = time.monotonic() + REFRESH_S
        waits = {}
        for file in self._found:
            with suppress(OSError):  # it has ended
                fd = os.open(file, os.O_RDONLY)
                try:
                    waits[file] = int(os.read(fd, 100).split()[1])
                finally:
                    os.close(fd)
        return waits

    def family(self) -> list[str]:
        """Process ids."""
        parents = {}
        for pid in filter(str.isdigit, os.listdir("/proc")):  # noqa: PTH208 - it is done often
            with suppress(OSError):
                parents[pid] = self._parents.get(pid) or _fields(Path(f"/proc/{pid}/stat"))[1]
        self._parents = parents
        family = {str(os.getpid())}
        while more := {pid for pid, parent in parents.items() if parent in family} - family:
            family |= more
        return sorted(family)


def _fields(stat: Path) -> list[str]:
    """What follows the name of a process, which may hold anything."""
    return stat.read_text(errors="replace").rpartition(")")[2].split()


def _threads(pid: str) -> list[str]:
    return [str(file) for file in Path(f"/proc/{pid}/task").glob("*/schedstat")]


_tasks = _Tasks()


def _used_by_all() -> float:
    """Processor seconds that all programs have used, and other guests of the host."""
    user, nice, system, _idle, _iowait, _irq, _softirq, steal = map(
        int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
    )
    return (user + nice + system + steal) / os.sysconf("SC_CLK_TCK")


def _used_by_family() -> float:
    """The same of this process and its descendants, those included that have ended."""
    ticks, times = 0, os.times()
    for pid in _tasks.family():
        with suppress(OSError):
            fields = _fields(Path(f"/proc/{pid}/stat"))
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK") + times.children_user + times.children_system


class Stopwatch:
    """Begins when it is made."""

    def __init__(self) -> None:
        self._waits = _tasks.waits()
        self._began = time.monotonic()

    def waited_s(self) -> float:
        """Seconds by which the machine's other work may have delayed an answer since then."""
        waited = [wait - self._waits.get(file, 0) for file, wait in _tasks.waits().items()]
        return sum(nlargest(IN_A_ROW, waited)) / 1e9

    def own_s(self) -> float:
        """Seconds since then, without that delay, for comparisons with a limit."""
        return time.monotonic() - self._began - self.waited_s()

    def before(self, deadline: float) -> bool:
        """Whether that time of the monotonic clock is not over, and the delay besides."""
        now = time.monotonic()
        return now < deadline or now < deadline + self.waited_s()


class OtherWork:
    """What is not of this test; begins when it is made."""

    def __init__(self) -> None:
        self._began, self._all, self._own = time.monotonic(), _used_by_all(), _used_by_family()

    def cores(self) -> float:
        """How many processors it has kept busy since then, on average."""
        used = _used_by_all() - self._all - (_used_by_family() - self._own)
        return used / (time.monotonic() - self._began)
