"""The lab's networks, all inside namespaces: the VPC with its subnets, and the internet side.

The cloud namespace is the VPC router and the internet gateway. It has no interface in the host's
own namespace, so no packet can leave or enter the lab.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

from host import netns
from host.run import run
from lab.names import API, ELASTIC_IPS, IMDS, INTERNET, INTERNET_GATEWAY, RESOLVER, Names

INTERNET_BRIDGE = "internet"
LINK_LOCAL = IPv4Network("169.254.0.0/16")

# Elastic IPs are translated one to one and without connection state, as on AWS. A call therefore
# survives all changes of the table that do not concern it. Packets to an unmapped public address,
# and those of instances without one, are dropped.
RULES = f"""
table ip c4 {{
    map to_private {{ type ipv4_addr : ipv4_addr; }}
    map to_public {{ type ipv4_addr : ipv4_addr; }}
    set vpc {{ type ipv4_addr; flags interval; }}
    chain gateway {{
        type filter hook prerouting priority raw; policy accept;
        iifname "{INTERNET_BRIDGE}" ip daddr @vpc drop
        ip saddr @vpc ip daddr != @vpc ip daddr != {LINK_LOCAL} ip saddr set ip saddr map @to_public
        ip daddr set ip daddr map @to_private
        ip daddr {ELASTIC_IPS} drop
    }}
    chain forward {{
        type filter hook forward priority filter; policy accept;
        ip saddr @vpc oifname "{INTERNET_BRIDGE}" drop
    }}
}}
"""


@dataclass(frozen=True)
class Leg:
    """One interface of a machine or an internet host."""

    namespace: str
    veth: str  # name of its other end, in the cloud namespace
    address: IPv4Interface
    gateway: IPv4Address
    mac: str | None = None


class CloudNetwork:
    """The networks of one lab."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._lock = threading.Lock()
        self._bridges: dict[str, IPv4Interface] = {}

    def up(self) -> None:
        """Create the cloud namespace with the internet segment."""
        ns = self._names.cloud_ns
        netns.create(ns, resolver=str(RESOLVER))
        netns.sysctl(
            ns,
            net__ipv4__ip_forward=1,
            net__ipv4__conf__all__rp_filter=0,
            net__ipv4__conf__default__rp_filter=0,
            net__ipv4__conf__all__send_redirects=0,
            net__ipv4__conf__default__send_redirects=0,
        )
        netns.ip(ns, *(f"address add {a}/32 dev lo" for a in (IMDS, RESOLVER, API)))
        self._bridge(INTERNET_BRIDGE, IPv4Interface((INTERNET_GATEWAY, INTERNET.prefixlen)))
        self._nft(RULES)

    def ensure_subnet(self, subnet_id: str, network: IPv4Network) -> str:
        """The bridge of a subnet, created if missing. Its first address is the router's."""
        bridge = self._names.bridge(subnet_id)
        with self._lock:
            if bridge not in self._bridges:
                self._bridge(bridge, IPv4Interface((network[1], network.prefixlen)))
        return bridge

    def keep_subnets(self, subnet_ids: Iterable[str]) -> None:
        """Remove the bridges of all other subnets, which could take a new subnet's traffic."""
        keep = {self._names.bridge(s) for s in subnet_ids} | {INTERNET_BRIDGE}
        with self._lock:
            for bridge in [b for b in self._bridges if b not in keep]:
                netns.ip(self._names.cloud_ns, f"link delete {bridge}")
                del self._bridges[bridge]

    def attach(self, bridge: str, leg: Leg) -> None:
        """Create a namespace with one interface `eth0` on a bridge of the cloud."""
        attach(self._names.cloud_ns, bridge, leg)

    def translate(self, public: Mapping[IPv4Address, IPv4Address], vpcs: Iterable[str]) -> None:
        """Replace the whole map from public to private addresses, atomically."""
        lines = ["flush map ip c4 to_private", "flush map ip c4 to_public", "flush set ip c4 vpc"]
        if public:
            forth = ", ".join(f"{pub} : {priv}" for pub, priv in public.items())
            back = ", ".join(f"{priv} : {pub}" for pub, priv in public.items())
            lines.append(f"add element ip c4 to_private {{ {forth} }}")
            lines.append(f"add element ip c4 to_public {{ {back} }}")
        if ranges := ", ".join(vpcs):
            lines.append(f"add element ip c4 vpc {{ {ranges} }}")
        self._nft("\n".join(lines) + "\n")

    def _bridge(self, name: str, address: IPv4Interface) -> None:
        netns.ip(
            self._names.cloud_ns,
            f"link add {name} type bridge",
            f"address add {address} dev {name}",
            f"link set {name} up",
        )
        self._bridges[name] = address

    def _nft(self, rules: str) -> None:
        cloud = netns.path(self._names.cloud_ns)
        run(["nsenter", f"--net={cloud}", "nft", "--file", "-"], input=rules)


def attach(cloud_ns: str, bridge: str, leg: Leg) -> None:
    """Create the namespace of `leg` with its interface `eth0` on `bridge`."""
    netns.create(leg.namespace)
    mac = f" address {leg.mac}" if leg.mac else ""
    netns.ip(
        cloud_ns,
        f"link add {leg.veth} type veth peer name eth0 netns {leg.namespace}{mac}",
        f"link set {leg.veth} master {bridge} up",
    )
    netns.ip(
        leg.namespace,
        f"address add {leg.address} dev eth0",
        "link set eth0 up",
        f"route add default via {leg.gateway}",
    )
