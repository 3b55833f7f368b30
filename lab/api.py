"""The public interface of a lab, for the command line and the end-to-end tests."""

from __future__ import annotations

import fcntl
import os
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from common import names
from host.errors import HostError
from host.preflight import prepare, raise_limits, require_host
from host.run import Argument, argv
from image import layers
from image.consul import Release
from lab import process, sweep
from lab.aws import cloud
from lab.aws.iam.judged import Judged
from lab.daemon import Config, config_file
from lab.machines import cgroups, hosts, machine
from lab.machines.hosts import Host
from lab.names import Names
from lab.terraform import leftovers, runner

STOP_LIMIT: Final = 60.0  # seconds
Progress = Callable[[str], None]


def silent(_: str) -> None:
    """Show no progress."""


@dataclass(frozen=True)
class Machine:
    """An instance of the lab."""

    instance_id: str
    private_ip: str
    public_ip: str | None
    zone: str
    tenant: str | None
    role: str | None
    state: str  # booting | running
    pid: int | None  # of its PID 1, seen from the host


class Lab:
    """The lab called `name`. Creating this object starts nothing. Raises `HostError`."""

    def __init__(self, name: str = "demo", region: str = "eu-central-1") -> None:
        self.names = Names(name)
        self.region = region

    @property
    def running(self) -> bool:
        return process.find(self.names) is not None

    @property
    def log_dir(self) -> Path:
        """The daemon's log, the console log of each machine, and journals of removed machines."""
        return self.names.log_dir

    def up(
        self, progress: Progress = silent, boot: bool = True, release: Release | None = None
    ) -> None:
        """Start the lab, after building missing parts of the image. Does nothing if it runs.

        Without `boot` only the AWS API runs: Terraform can create everything, but no machine boots.
        `release` is the Consul of the image, as for `image.layers.build`.
        """
        prepare(progress)
        with self._locked():
            if self.running:
                return
            sweep.sweep(self.names, progress)
            raise_limits(progress)
            image = layers.build(progress, release) if boot else layers.Image((), ())
            self.names.log_dir.mkdir(parents=True, exist_ok=True)
            Config(image.instance, image.database, boot).write(config_file(self.names))
            try:
                progress("starting the cloud")
                process.start(self.names)
            except BaseException:  # including Ctrl-C
                self._end(progress)
                raise

    def settle(self, progress: Progress = silent) -> list[str]:
        """Put a running lab right, after a command on it has been killed or interrupted.

        Ends the programs that the command has left. When Terraform's states do not have everything
        that exists, the lab is removed, since nobody could go on with it; returns why. It does not
        look for a command that is still at work: hold `exclusive`.
        """
        require_host()
        with self._locked():
            if not self.running:
                return []
            leftovers.end_programs(self.names, progress)
            if damage := leftovers.damage(self.names.state / "terraform"):
                progress("removing it, to begin anew")
                self._end(progress)
            return damage

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """For a command that uses the lab as a whole. Raises `HostError` when there is another."""
        self.names.command_file.parent.mkdir(parents=True, exist_ok=True)
        with self.names.command_file.open("a+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.seek(0)
                pid = file.read().strip()
                raise HostError(
                    f"another command uses the local cloud {self.names.lab!r} (process {pid})",
                    "wait until it has ended, or end it with Ctrl-C in its terminal",
                ) from None
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            yield

    def down(self, progress: Progress = silent) -> None:
        """Remove the lab, running or crashed. Does nothing when there is none."""
        require_host()
        with self._locked():
            self._end(progress)

    def apply(self, stack: str, synth_dir: Path, progress: Progress = silent) -> None:
        """`terraform init` and `apply` of a synthesized stack, inside the cloud."""
        self._runner().apply(stack, synth_dir, progress)

    def destroy(self, stack: str, synth_dir: Path, progress: Progress = silent) -> None:
        """`terraform destroy` of a synthesized stack."""
        self._runner().destroy(stack, synth_dir, progress)

    def client(self, service: str) -> Any:
        """A boto3 client of the lab's AWS API."""
        return cloud.client(service, self.region, self._status()["port"])

    def judged(self) -> Judged:
        """How IAM has judged the calls of instances so far."""
        return Judged.read(self._status()["port"])

    def machines(self, tenant: str | None = None, role: str | None = None) -> list[Machine]:
        """The instances, in the order of tenant, role and zone."""
        found = [
            self._machine(instance)
            for page in self.client("ec2")
            .get_paginator("describe_instances")
            .paginate(Filters=[{"Name": "instance-state-name", "Values": ["pending", "running"]}])
            for reservation in page["Reservations"]
            for instance in reservation["Instances"]
        ]
        chosen = [m for m in found if tenant in (None, m.tenant) and role in (None, m.role)]
        return sorted(chosen, key=lambda m: (m.tenant or "", m.role or "", m.zone, m.private_ip))

    def exec(
        self, target: Machine | str, args: Sequence[Argument], timeout: float = 10
    ) -> subprocess.CompletedProcess[str]:
        """Run a program inside a machine, with captured output."""
        command = machine.enter(self.names, _id(target), args)
        return subprocess.run(command, capture_output=True, text=True, timeout=timeout)

    def popen(
        self, target: Machine | str, args: Sequence[Argument], **options: Any
    ) -> subprocess.Popen[str]:
        """Start a program inside a machine; `options` are those of `subprocess.Popen`."""
        command = machine.enter(self.names, _id(target), args)
        return subprocess.Popen(command, **({"text": True} | options))

    def kill(self, target: Machine | str) -> None:
        """Cut a machine's power."""
        machine.kill(self.names, _id(target))

    def cloud_command(self, args: Sequence[Argument]) -> list[str]:
        command = ["ip", "netns", "exec", self.names.cloud_ns, *argv(args)]
        return cgroups.command_in(command, *self.names.guests)

    def cloud_exec(
        self, args: Sequence[Argument], timeout: float = 60
    ) -> subprocess.CompletedProcess[str]:
        """Run a program of the host inside the VPC's network, with captured output."""
        command = self.cloud_command(args)
        return subprocess.run(command, capture_output=True, text=True, timeout=timeout)

    def cloud_popen(self, args: Sequence[Argument], **options: Any) -> subprocess.Popen[str]:
        return subprocess.Popen(self.cloud_command(args), **({"text": True} | options))

    def host(self, name: str, address: str) -> Host:
        """The internet host `name` with an address of 198.51.100.0/24, created if missing."""
        self._status()
        return hosts.ensure(self.names, name, address)

    def _runner(self) -> runner.Runner:
        self._status()
        return runner.Runner(self.names.state / "terraform", runner.in_cloud(self.names))

    def _machine(self, instance: dict[str, Any]) -> Machine:
        tags = {t["Key"]: t["Value"] for t in instance.get("Tags", [])}
        identity = instance["InstanceId"]
        try:
            pid: int | None = machine.leader(self.names, identity)
        except HostError:
            pid = None
        return Machine(
            instance_id=identity,
            private_ip=instance["PrivateIpAddress"],
            public_ip=instance.get("PublicIpAddress"),
            zone=instance["Placement"]["AvailabilityZone"],
            tenant=tags.get(names.TAG_TENANT),
            role=tags.get(names.TAG_ROLE),
            state="running" if pid and machine.boot_finished(self.names, identity) else "booting",
            pid=pid,
        )

    def _status(self) -> dict[str, int]:
        status = process.find(self.names)
        if status is None:
            raise HostError(
                f"lab {self.names.lab} is not up", f"python -m lab --name {self.names.lab} up"
            )
        return status

    def _end(self, progress: Progress) -> None:
        status = process.find(self.names)
        if status is not None:
            progress("shutting the machines down")
            process.terminate(status["pid"], STOP_LIMIT)
        sweep.sweep(self.names, progress)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Allow only one `up` or `down` of a lab at a time."""
        self.names.lock_file.parent.mkdir(parents=True, exist_ok=True)
        with self.names.lock_file.open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _id(target: Machine | str) -> str:
    return target if isinstance(target, str) else target.instance_id
