"""Network namespaces for SIP tests: a VPC with an internet side, joined by a router that does
the Elastic IPs' one-to-one NAT. The root namespace gets no route to any of it."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import host.run
from host.netns import inside, sysctl, with_prefix

PREFIX = "kt-"
INSIDE_GATEWAY = "10.40.0.1"
OUTSIDE_GATEWAY = "198.51.100.1"

# Stateless: a moved Elastic IP takes effect with the next packet, as on AWS.
_NAT = """
table ip c4 {
  map to_private { type ipv4_addr : ipv4_addr; }
  map to_public { type ipv4_addr : ipv4_addr; }
  chain pre {
    type filter hook prerouting priority raw; policy accept;
    notrack
    ip daddr set ip daddr map @to_private
  }
  chain post {
    type filter hook postrouting priority srcnat; policy accept;
    oifname "outside" ip saddr set ip saddr map @to_public
    ip daddr 10.40.0.0/16 iifname "inside" ip saddr set ip saddr map @to_public
  }
}
"""


def run(arguments: Sequence[str], *, text: str | None = None) -> str:
    """Output of a command. Raises `HostError` with its error output when it fails."""
    return host.run.run(arguments, input=text).stdout


def ip(*arguments: str) -> None:
    run(["ip", *arguments])


@contextmanager
def dropping(namespace: str, packets: str, *, hook: str = "input") -> Iterator[None]:
    """What matches `packets` (nft's words) is lost on its way into the namespace, or out of it."""
    nft = ["ip", "netns", "exec", namespace, "nft"]
    chain = f"chain packets {{ type filter hook {hook} priority 0; {packets} drop; }}"
    run([*nft, f"table inet lost {{ {chain}; }}"])
    try:
        yield
    finally:
        run([*nft, "delete table inet lost"])


def socket_in(namespace: str, kind: int, address: tuple[str, int]) -> socket.socket:
    """A bound socket that lives in `namespace`."""
    return inside(namespace, lambda: _bound(kind, address))


def _bound(kind: int, address: tuple[str, int]) -> socket.socket:
    made = socket.socket(socket.AF_INET, kind)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind(address)
    return made


@dataclass
class Network:
    """Hosts inside (10.40.0.0/16) and outside (198.51.100.0/24) around the router `gateway`."""

    prefix: str
    stack: ExitStack
    public: dict[str, str] = field(default_factory=dict)  # Elastic IP -> private address

    @property
    def gateway(self) -> str:
        return f"{self.prefix}gw"

    def _namespace(self, name: str) -> None:
        ip("netns", "add", name)
        self.stack.callback(ip, "netns", "delete", name)
        ip("-n", name, "link", "set", "lo", "up")

    def create(self) -> None:
        self._namespace(self.gateway)
        for side, address, mac in (
            ("inside", f"{INSIDE_GATEWAY}/16", "02:00:00:00:00:01"),
            ("outside", f"{OUTSIDE_GATEWAY}/24", "02:00:00:00:00:02"),
        ):
            # Else it is the lowest of the ports', and changes when a host comes.
            ip("-n", self.gateway, "link", "add", side, "address", mac, "type", "bridge")
            ip("-n", self.gateway, "address", "add", address, "dev", side)
            ip("-n", self.gateway, "link", "set", side, "up")
        sysctl(self.gateway, net__ipv4__ip_forward=1)
        run(["ip", "netns", "exec", self.gateway, "nft", "-f", "-"], text=_NAT)
        # What the switch of a subnet passes on is no business of packet filters.
        with contextlib.suppress(OSError):  # the module is not loaded
            sysctl(self.gateway, **{"net__bridge__bridge-nf-call-iptables": 0})

    def host(self, name: str, *addresses: str) -> str:
        """A new host with these addresses; returns the name of its namespace."""
        namespace = self.prefix + name
        self._namespace(namespace)
        inside = addresses[0].startswith("10.")
        side, gateway, bits = (
            ("inside", INSIDE_GATEWAY, 16) if inside else ("outside", OUTSIDE_GATEWAY, 24)
        )
        ip(
            "-n",
            self.gateway,
            "link",
            "add",
            f"v-{name}",
            "type",
            "veth",
            "peer",
            "name",
            "eth0",
            "netns",
            namespace,
        )
        ip("-n", self.gateway, "link", "set", f"v-{name}", "master", side, "up")
        for address in addresses:
            ip("-n", namespace, "address", "add", f"{address}/{bits}", "dev", "eth0")
        ip("-n", namespace, "link", "set", "eth0", "up")
        ip("-n", namespace, "route", "add", "default", "via", gateway)
        return namespace

    def cut(self, name: str, connected: bool = False) -> None:
        """Pull the cable of a host, or plug it in again."""
        ip("-n", self.gateway, "link", "set", f"v-{name}", "up" if connected else "down")

    def associate(self, public: str, private: str) -> None:
        """Give the Elastic IP to a private address, whoever had it."""
        commands = []
        if public in self.public:
            commands += [
                f"delete element ip c4 to_private {{ {public} }}",
                f"delete element ip c4 to_public {{ {self.public[public]} }}",
            ]
        commands += [
            f"add element ip c4 to_private {{ {public} : {private} }}",
            f"add element ip c4 to_public {{ {private} : {public} }}",
        ]
        run(["ip", "netns", "exec", self.gateway, "nft", "-f", "-"], text="\n".join(commands))
        self.public[public] = private


def own_prefix() -> str:
    """Prefix of this process's namespaces: several test runs may share the machine."""
    return f"{PREFIX}{os.getpid()}-"


def sweep() -> None:
    """Remove the namespaces of runs that were killed."""
    for name in with_prefix(PREFIX):
        owner = name.removeprefix(PREFIX).split("-")[0]
        if owner.isdigit() and not Path(f"/proc/{owner}").exists():
            ip("netns", "delete", name)


@contextmanager
def network() -> Iterator[Network]:
    """A network that leaves nothing behind."""
    sweep()
    prefix = own_prefix()
    with ExitStack() as stack:
        made = Network(prefix, stack)
        made.create()
        yield made
