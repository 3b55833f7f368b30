"""One machine: a systemd container on an overlay of the image, in a network namespace."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from host import netns
from host.errors import HostError
from host.run import Argument, argv
from image.layers import overlay_option
from lab.machines import cgroups
from lab.names import Names
from lab.network.networks import CloudNetwork, Leg

BOOT: Final = Path(__file__).parent / "boot.sh"
# cloud-init recognises a Xen guest of EC2 by the beginning of this text.
EC2_UUID: Final = "ec2e1916-9099-7caf-fd21-012345abcdef\n"
STOP_LIMIT: Final = 15.0  # seconds for a clean shutdown; EC2 has a limit as well
PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class MachineFile:
    """A file that the lab puts into a machine before it boots."""

    content: str | bytes
    mode: int = 0o644
    uid: int = 0
    gid: int = 0


@dataclass(frozen=True)
class MachineSpec:
    """Everything that defines the machine `id`."""

    id: str
    subnet_id: str
    bridge: str
    leg: Leg
    hostname: str
    layers: tuple[Path, ...]  # topmost first
    files: Mapping[str, MachineFile] = field(default_factory=dict)  # by path below /


class NspawnMachine:
    """A machine of this lab, booted by this process with systemd-nspawn."""

    def __init__(self, names: Names, spec: MachineSpec) -> None:
        self._names = names
        self.spec = spec
        self.directory = names.machine_dir(spec.id)
        self._process: subprocess.Popen[bytes] | None = None
        self._started = time.monotonic()

    def start(self, network: CloudNetwork) -> None:
        """Start to boot; returns while the machine is still booting. Raises `HostError`."""
        for name in ("upper", "work", "root"):
            (self.directory / name).mkdir(parents=True, exist_ok=True)
        (self.directory / "uuid").write_text(EC2_UUID)
        for path, file in self.spec.files.items():
            _write(self.directory / "upper" / path.lstrip("/"), file)
        network.attach(self.spec.bridge, self.spec.leg)
        cgroup = cgroups.create(self._names.cgroup, self.spec.id)
        self._names.log_dir.mkdir(parents=True, exist_ok=True)
        with (self._names.log_dir / f"{self.spec.id}.log").open("ab") as log:
            self._process = subprocess.Popen(
                argv(
                    ["unshare", "--mount", "--propagation", "private", BOOT, cgroup,
                     overlay_option(self.spec.layers), self.directory, self.spec.leg.namespace,
                     f"{self._names.lab}-{self.spec.id}", self.spec.hostname]
                ),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        status = {"pid": self._process.pid, "started": time.time()}
        (self.directory / "machine.json").write_text(json.dumps(status))

    def in_its_network(self, *command: Argument) -> list[str]:
        """The command line that runs a program of the machine's disk in its network namespace.

        No process of the machine has to run, but its disk must be mounted (a moment after start).
        """
        assert self._process is not None
        namespace = netns.path(self.spec.leg.namespace)
        enter = ["nsenter", f"--target={self._process.pid}", "--mount", f"--net={namespace}"]
        return [*enter, *argv(["chroot", self.directory / "root", *command])]

    @property
    def age(self) -> float:
        """Seconds since its start."""
        return time.monotonic() - self._started

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def stop(self, limit: float = STOP_LIMIT) -> None:
        """Shut down cleanly within `limit` seconds, else with SIGKILL, and remove the machine."""
        process = self._process
        if process is not None and process.poll() is None:
            process.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                process.wait(limit)
        self.remove()

    def remove(self, keep_disk: bool = False) -> None:
        """Cut the power and remove everything of the machine from the host except its logs."""
        remove(self._names, self.spec.id, keep_disk)
        if self._process is not None:
            self._process.wait()


def remove(names: Names, machine: str, keep_disk: bool = False) -> None:
    """Cut the power of a machine, even of another process, and remove it from the host.

    With `keep_disk` its file system stays, and the next start uses it again.
    """
    group = cgroups.root() / names.cgroup / machine
    cgroups.kill(group)
    netns.delete(names.machine_ns(machine))
    directory = names.machine_dir(machine)
    if not keep_disk:
        _keep_journal(directory, names.log_dir / machine)
        shutil.rmtree(directory, ignore_errors=True)
    propagate = Path("/run/systemd/nspawn/propagate") / f"{names.lab}-{machine}"
    if propagate.is_dir():
        propagate.rmdir()


def kill(names: Names, machine: str) -> None:
    """Cut the power: every process of the machine dies at once."""
    cgroups.kill(cgroups.root() / names.cgroup / machine)


def boot_finished(names: Names, machine: str) -> bool:
    """True when cloud-init has ended, with success or not."""
    return (names.machine_dir(machine) / "upper/var/lib/cloud/data/result.json").exists()


def leader(names: Names, machine: str) -> int:
    """The host's process id of the machine's PID 1. Raises `HostError` if it does not run."""
    try:
        status = json.loads((names.machine_dir(machine) / "machine.json").read_text())
        pid = status["pid"]
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return int(children[0])
    except (OSError, IndexError):
        raise HostError(f"machine {machine} does not run", "python -m lab status") from None


def enter(names: Names, machine: str, command: Sequence[Argument]) -> list[str]:
    """The command line that runs `command` inside a machine, in all its namespaces."""
    inside = ["env", "-i", f"PATH={PATH}", "HOME=/root", "LC_ALL=C.UTF-8", *argv(command)]
    return [
        "nsenter", f"--target={leader(names, machine)}", "--mount", "--uts", "--ipc", "--net",
        "--pid", "--cgroup", "--root", "--wd", *inside,
    ]  # fmt: skip


def _write(path: Path, file: MachineFile) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    content = file.content if isinstance(file.content, bytes) else file.content.encode()
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as out:
        out.write(content)
    os.chown(path, file.uid, file.gid)
    path.chmod(file.mode)


def _keep_journal(directory: Path, target: Path) -> None:
    """Keep a dead machine's journal, for `journalctl -D LOG/MACHINE/journal`."""
    logs = directory / "upper/var/log"
    for name in ("journal", "cloud-init.log", "cloud-init-output.log"):
        source = logs / name
        if source.exists() and not (target / name).exists():
            target.mkdir(parents=True, exist_ok=True)
            shutil.move(source, target / name)
