"""`c4 demo up`, interrupted at ten moments of a bring-up: does the next start finish?

The moments are spread over one bring-up: interrupt, start again, interrupt later. How and when
exactly is random; the seed is printed, and C4_INTERRUPT_SEED repeats it. The command has a
terminal of its own, so that Ctrl-C and the closing of the window are what they are for a user.
At the end the database is deleted, which the next start makes anew under running instances.
"""

from __future__ import annotations

import contextlib
import os
import pty
import random
import re
import signal
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from demo.deploy import log_file
from host import netns
from lab import process
from lab.api import Lab
from lab.machines import cgroups
from lab.terraform import leftovers
from settings.load import ROOT

pytestmark = [
    pytest.mark.lab,
    pytest.mark.slow,
    pytest.mark.exhaustive,
    pytest.mark.timeout(3600),  # some fifteen minutes on a machine that does nothing else
]

LAB: Final = os.environ.get("C4_INTERRUPT_LAB", "interrupt")
SEED: Final = int(os.environ.get("C4_INTERRUPT_SEED") or random.SystemRandom().randrange(10_000))
MARK: Final = "C4_TEST_INTERRUPTED"  # every process that the command starts inherits it
REACH_S: Final = 900.0  # until a moment is reached; the machine may be busy
END_S: Final = 200.0  # until an interrupted command has ended
INTERRUPTED: Final = 130
STARTS: Final = 3
COMPLETE: Final = re.compile(r"OK: 11 of 11 instances pass their checks; \d+ calls of 12 kinds")
HIDE_CURSOR, SHOW_CURSOR = b"\x1b[?25l", b"\x1b[?25h"


@dataclass(frozen=True)
class Moment:
    """A place in a bring-up, and for how many seconds something may happen there."""

    name: str
    lasts_s: float
    line: str = ""  # of the command's log; or
    resource: str = ""  # the beginning of one that Terraform creates or finds again, and
    stack: str = ""  # the stack that has it


MOMENTS: Final = (
    Moment("the cloud's process starts", 2, line="local cloud: ..."),
    Moment("the JSON is synthesized", 4, line=r"Terraform's JSON \(synth\): ..."),
    Moment("network is applied", 12, stack="network", resource="aws_"),
    Moment("consul is applied", 8, stack="consul", resource="aws_"),
    Moment("the tenant is applied", 15, stack="acme", resource="aws_"),
    Moment("the database is created", 25, stack="acme", resource="aws_db_instance"),
    Moment("instances boot", 20, line="Consul checks: ... [1-9]"),
    Moment("routing data is stored", 3, line="acme: routing data in router-confd: ..."),
    Moment("calls are placed", 12, line="acme: (inbound|outbound).*: ..."),
    Moment("a router's power is cut", 20, line="acme: power cut of a router during a call: ..."),
)


class Command:
    """`c4 demo up` on a terminal of its own, in a session of its own."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._began = time.time()
        self._log = log_file(lab)
        self._log_begin = self._log.stat().st_size if self._log.exists() else 0
        self.master, slave = pty.openpty()
        self.before = termios.tcgetattr(slave)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "cli", "demo", "up", "--lab", LAB],
            cwd=ROOT, stdin=slave, stdout=slave, stderr=slave, env=os.environ | {MARK: "1"},
            start_new_session=True, preexec_fn=_take_terminal,
        )  # fmt: skip
        self._slave: int | None = slave
        self.shown = b""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def wait_for(self, moment: Moment) -> bool:
        """True when the moment is reached; False when the command has ended before."""
        end = time.monotonic() + REACH_S
        while self._process.poll() is None:
            if self._reached(moment):
                return True
            assert time.monotonic() < end, self.tail()
            time.sleep(0.05)
        return False

    def _reached(self, moment: Moment) -> bool:
        if moment.line:
            return re.search(moment.line, self.log()) is not None
        file = leftovers.apply_log(self._lab.names.state / "terraform", moment.stack)
        if not file.exists() or file.stat().st_mtime < self._began:
            return False  # of an earlier start
        begun = f'"{moment.resource}[^"]*: (Creating|Refreshing)'
        return re.search(begun, file.read_text(errors="replace")) is not None

    def ended(self, limit: float) -> int:
        """Its exit status, within `limit` seconds."""
        try:
            return self._process.wait(limit)
        except subprocess.TimeoutExpired:
            pytest.fail(f"the command did not end within {limit:.0f} s:\n{self.tail()}")

    def log(self) -> str:
        """What the command's board has said since it started."""
        if not self._log.exists():
            return ""
        return self._log.read_bytes()[self._log_begin :].decode(errors="replace")

    def tail(self) -> str:
        return f"{self.log()[-3000:]}\n{self.shown[-1500:].decode(errors='replace')}"

    def terminal_is_as_before(self) -> None:
        """The modes of the terminal are the same, and its cursor is visible."""
        assert self._slave is not None
        assert termios.tcgetattr(self._slave) == self.before
        time.sleep(0.2)  # the reader may be behind
        assert self.shown.rfind(HIDE_CURSOR) <= self.shown.rfind(SHOW_CURSOR)

    def close_terminal(self) -> None:
        """As when the window is closed: the kernel sends SIGHUP, and nothing can be written."""
        if self._slave is not None:
            os.close(self._slave)
            self._slave = None
            os.close(self.master)

    def _read(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while part := os.read(self.master, 65536):
                self.shown += part


def _take_terminal() -> None:
    """Make the terminal on standard input the controlling one of the new session."""
    import fcntl

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


# --- the kinds of interrupts -----------------------------------------------------------------


def ctrl_c(command: Command, lab: Lab) -> None:
    """The command says what helps, and leaves the terminal as it was."""
    os.write(command.master, b"\x03")
    assert command.ended(END_S) == INTERRUPTED, command.tail()
    command.terminal_is_as_before()
    assert b"make demo continues" in command.shown


def ctrl_c_twice(command: Command, lab: Lab) -> None:
    """Somebody who does not want to wait."""
    os.write(command.master, b"\x03")
    time.sleep(0.3)
    with contextlib.suppress(OSError):  # it has ended already
        os.write(command.master, b"\x03")
    assert command.ended(END_S) == INTERRUPTED, command.tail()
    command.terminal_is_as_before()


def closed_terminal(command: Command, lab: Lab) -> None:
    command.close_terminal()
    command.ended(END_S)


def kill_command(command: Command, lab: Lab) -> None:
    """Only the command: the cloud's process and its machines live, and Terraform ends its work."""
    os.kill(command.pid, signal.SIGKILL)
    command.ended(END_S)


def kill_command_and_terraform(command: Command, lab: Lab) -> None:
    for pid in (command.pid, *cgroups.processes(cgroups.root().joinpath(*lab.names.guests))):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    command.ended(END_S)


def kill_everything(command: Command, lab: Lab) -> None:
    """As when the host loses its power, but for the files."""
    for pid in (command.pid, *marked(), *cgroups.processes(cgroups.root() / lab.names.cgroup)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    command.ended(END_S)


KINDS: Final[tuple[Callable[[Command, Lab], None], ...]] = (
    ctrl_c, closed_terminal, kill_command, kill_command_and_terraform, kill_everything,
    ctrl_c_twice,
)  # fmt: skip


# --- the test --------------------------------------------------------------------------------


@pytest.fixture
def lab() -> Iterator[Lab]:
    """A local cloud of the test's own, never the user's."""
    assert LAB != "demo"
    made = Lab(LAB)
    made.down()
    yield made
    made.down()


def test_a_start_after_any_interrupt_finishes(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    chance = random.Random(SEED)
    kinds = [kind for _ in range(2) for kind in KINDS][: len(MOMENTS)]
    chance.shuffle(kinds)
    began = time.monotonic()

    def say(text: str) -> None:
        with capsys.disabled():
            print(f"{time.monotonic() - began:6.0f} s  {text}", file=sys.stderr, flush=True)

    say(f"C4_INTERRUPT_SEED={SEED}")
    for moment, interrupt in zip(MOMENTS, kinds, strict=True):
        command = Command(lab)
        assert command.wait_for(moment), f"ended before: {moment.name}\n{command.tail()}"
        wait_s = chance.uniform(0, moment.lasts_s)
        with contextlib.suppress(subprocess.TimeoutExpired):
            status = command._process.wait(wait_s)
            pytest.fail(f"{moment.name}: ended with {status}\n{command.tail()}")
        say(f"{moment.name} for {wait_s:.1f} s: {interrupt.__name__}")
        interrupt(command, lab)
        command.close_terminal()
        no_orphan(lab)
        if left := re.search("local cloud of the last start: done (.*)", command.log()):
            say(f"        found before: {left[1]}")
    say(f"complete after {complete(lab)} start(s)")
    (database,) = lab.client("rds").describe_db_instances()["DBInstances"]
    name = database["DBInstanceIdentifier"]
    lab.client("rds").delete_db_instance(DBInstanceIdentifier=name, SkipFinalSnapshot=True)
    say(f"with a new database complete after {complete(lab)} start(s)")
    lab.down()
    no_orphan(lab)
    assert not cgroups.processes(cgroups.root() / lab.names.cgroup)
    assert not netns.with_prefix(lab.names.prefix)
    assert process.find(lab.names) is None
    assert f"{lab.names.state}/" not in Path("/proc/self/mounts").read_text()


def complete(lab: Lab) -> int:
    """Start until every instance passes and every call succeeds; the number of starts.

    One is enough, but on a machine that is busy with something else, where a start may give up: it
    says so, and the next one goes on.
    """
    for attempt in range(1, STARTS + 1):
        command = Command(lab)
        status = command.ended(REACH_S)
        command.terminal_is_as_before()
        command.close_terminal()
        text = re.sub(rb"\x1b\[[0-9;?]*[a-zA-Z]", b"", command.shown).decode(errors="replace")
        assert "Traceback" not in text, text
        if status == 0:
            assert COMPLETE.search(text), text
            return attempt
    pytest.fail(f"{STARTS} starts did not finish; the last one:\n{command.tail()}")


def no_orphan(lab: Lab) -> None:
    """Every process that the command has started is gone, or belongs to the lab."""
    end = time.monotonic() + END_S
    while orphans := set(marked()) - set(cgroups.processes(cgroups.root() / lab.names.cgroup)):
        assert time.monotonic() < end, [_command_line(pid) for pid in orphans]
        time.sleep(0.1)


def marked() -> Iterator[int]:
    """Process ids of all descendants of the commands that this test has started."""
    for directory in Path("/proc").iterdir():
        if directory.name.isdecimal():
            with contextlib.suppress(OSError):
                if f"{MARK}=1".encode() in (directory / "environ").read_bytes().split(b"\0"):
                    yield int(directory.name)


def _command_line(pid: int) -> str:
    try:
        return f"{pid}: " + Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return f"{pid}"
