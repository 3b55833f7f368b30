"""Names of a lab's directories, namespaces, interfaces and control groups."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Final

from host.errors import HostError
from host.paths import labs_dir

# No hyphen: the prefix `c4-a-` finds the namespaces of lab `a`, and must not match lab `a-b`.
LAB_NAME: Final = re.compile(r"^[a-z][a-z0-9]{0,11}$")

ACCOUNT: Final = "123456789012"  # moto's account
IMAGE_NAME: Final = "c4-debian13-local"
IMAGE_ID: Final = "ami-0c4deb13000000001"

# Link-local addresses of the services that AWS offers inside a VPC.
IMDS: Final = IPv4Address("169.254.169.254")
RESOLVER: Final = IPv4Address("169.254.169.253")
API: Final = IPv4Address("169.254.170.1")

INTERNET: Final = IPv4Network("198.51.100.0/24")  # carriers, PBXs
INTERNET_GATEWAY: Final = INTERNET[1]
ELASTIC_IPS: Final = IPv4Network("203.0.113.0/24")


@dataclass(frozen=True)
class Names:
    """All names of the lab called `lab`; raises `HostError` for a bad name."""

    lab: str

    def __post_init__(self) -> None:
        if not LAB_NAME.match(self.lab):
            raise HostError(
                f"lab name {self.lab!r} is not allowed",
                "use 1 to 12 of a-z and 0-9, beginning with a letter",
            )

    @property
    def state(self) -> Path:
        return labs_dir() / self.lab

    @property
    def without_machines(self) -> Path:
        """What the demo without machines leaves; no lab can have this name."""
        return self.state.with_name(f"{self.lab}-without-machines")

    @property
    def status_file(self) -> Path:
        return self.state / "daemon.json"

    @property
    def lock_file(self) -> Path:
        return self.state.parent / f"{self.lab}.lock"

    @property
    def command_file(self) -> Path:
        """Locked by the command that uses the whole lab, whose process id it has."""
        return self.state.parent / f"{self.lab}.command"

    @property
    def log_dir(self) -> Path:
        return self.state / "log"

    def machine_dir(self, machine: str) -> Path:
        return self.state / "machines" / machine

    @property
    def prefix(self) -> str:
        """Prefix of every network namespace of the lab."""
        return f"c4-{self.lab}-"

    @property
    def cloud_ns(self) -> str:
        return self.prefix + "cloud"

    def machine_ns(self, machine: str) -> str:
        return self.prefix + machine

    def host_ns(self, host: str) -> str:
        return f"{self.prefix}host-{host}"

    @property
    def cgroup(self) -> str:
        return f"c4-lab-{self.lab}"

    @property
    def guests(self) -> tuple[str, str]:
        """Nested group of the host's programs in the lab's networks, which end with the lab."""
        return self.cgroup, "guests"

    @staticmethod
    def bridge(subnet_id: str) -> str:
        """Name of a subnet's bridge; the kernel limits interface names to 15 characters."""
        return "br" + subnet_id[-12:]

    @staticmethod
    def veth(machine: str) -> str:
        return "v" + machine[-13:]
