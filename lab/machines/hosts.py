"""Hosts on the internet side of the lab: carriers and PBXs."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface
from typing import Any, Final

from host import netns
from host.errors import HostError
from host.run import Argument, argv, run
from lab.machines import cgroups
from lab.names import INTERNET, INTERNET_GATEWAY, Names
from lab.network.networks import INTERNET_BRIDGE, Leg, attach

HOST_NAME: Final = re.compile(r"^[a-z][a-z0-9-]{0,11}$")


@dataclass(frozen=True)
class Host:
    """An internet host: a namespace with one address, and the file system of this machine."""

    name: str
    namespace: str
    address: str
    cgroup: tuple[str, ...]  # nested names

    def command(self, args: Sequence[Argument]) -> list[str]:
        command = ["ip", "netns", "exec", self.namespace, *argv(args)]
        return cgroups.command_in(command, *self.cgroup)

    def run(
        self, args: Sequence[Argument], timeout: float = 60, **options: Any
    ) -> subprocess.CompletedProcess[str]:
        """Run a program to its end with captured output; check the exit status yourself."""
        options = {"capture_output": True, "text": True} | options
        return subprocess.run(self.command(args), timeout=timeout, **options)

    def popen(self, args: Sequence[Argument], **options: Any) -> subprocess.Popen[str]:
        """Start a program; `options` are those of `subprocess.Popen`."""
        return subprocess.Popen(self.command(args), **({"text": True} | options))


def ensure(names: Names, name: str, address: str) -> Host:
    """The host `name`, created if missing. Raises `HostError` for a bad name or address."""
    if not HOST_NAME.match(name):
        raise HostError(f"host name {name!r} is not allowed", "1 to 12 of a-z, 0-9 and -")
    ip = IPv4Address(address)
    if ip not in INTERNET or ip in (INTERNET[0], INTERNET_GATEWAY, INTERNET[-1]):
        raise HostError(
            f"host address {address} is not allowed", f"use {INTERNET[2]} to {INTERNET[-2]}"
        )
    namespace = names.host_ns(name)
    leg = Leg(
        namespace=namespace,
        veth=f"h{name}",
        address=IPv4Interface((ip, INTERNET.prefixlen)),
        gateway=INTERNET_GATEWAY,
    )
    if not _complete(namespace):
        run(["ip", "-n", names.cloud_ns, "link", "delete", leg.veth], check=False)
        netns.delete(namespace)
        attach(names.cloud_ns, INTERNET_BRIDGE, leg)
    return Host(name, namespace, address, names.guests)


def _complete(namespace: str) -> bool:
    """True unless there is no such host, or a command was interrupted while it made it."""
    if not netns.exists(namespace):
        return False
    last_step = ["ip", "-n", namespace, "route", "show", "default"]
    return bool(run(last_step, check=False).stdout.strip())
