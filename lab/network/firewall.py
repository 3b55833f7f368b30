"""Security groups, enforced by nftables rules in the network namespace of each machine.

They are stateful, as on AWS: answers to accepted packets, and related errors, are accepted too.
They do not apply to the metadata service, the resolver and the AWS API, which are link-local here.
Nor do they apply to the VPC router, from where `cloud_exec` reaches the VPC as an operator would.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Final

from host import netns
from host.run import run
from lab.machines.machine import NspawnMachine

TABLE: Final = "c4_security_groups"
EXEMPT: Final = "169.254.0.0/16"
ANY_PROTOCOL: Final = "-1"


@dataclass(frozen=True)
class Rule:
    """One rule of a security group."""

    protocol: str  # tcp, udp, icmp, a number, or -1 for all
    first_port: int | None  # for ICMP: the type
    last_port: int | None
    cidr: str | None = None
    group: str | None = None  # id of a security group, instead of `cidr`


@dataclass(frozen=True)
class Group:
    """A security group, and the private addresses of the interfaces that it is attached to."""

    id: str
    ingress: tuple[Rule, ...] = ()
    egress: tuple[Rule, ...] = ()
    members: frozenset[IPv4Address] = frozenset()


def ruleset(attached: Sequence[str], groups: Mapping[str, Group], router: IPv4Address) -> str:
    """nftables commands that replace a machine's rules by those of its groups, atomically."""
    own = [groups[g] for g in attached if g in groups]
    into = {_statement(r, "saddr", groups) for group in own for r in group.ingress}
    out = {_statement(r, "daddr", groups) for group in own for r in group.egress}
    return f"""\
table inet {TABLE}
delete table inet {TABLE}
table inet {TABLE} {{
    chain input {{
        type filter hook input priority 0; policy drop;
        iif lo accept
        ip saddr {{ {EXEMPT}, {router} }} accept
        ct state established,related accept
{_lines(into)}    }}
    chain output {{
        type filter hook output priority 0; policy drop;
        oif lo accept
        ip daddr {EXEMPT} accept
        ct state established,related accept
{_lines(out)}    }}
}}
"""


def enforce(machine: NspawnMachine, rules: str) -> None:
    """Load a ruleset in a machine's network namespace. Raises `HostError`.

    The machine's own nft does it, because an older one of the host may crash on rules that the
    machine has made. Until its disk is mounted there are no such rules, and the host's nft works.
    """
    own = run(machine.in_its_network("nft", "--file", "-"), input=rules, check=False)
    if own.returncode != 0:
        namespace = netns.path(machine.spec.leg.namespace)
        run(["nsenter", f"--net={namespace}", "nft", "--file", "-"], input=rules)


def _statement(rule: Rule, side: str, groups: Mapping[str, Group]) -> str:
    """One accept rule; empty when it cannot match anything."""
    parts = ["meta nfproto ipv4"]
    if rule.group is not None:
        members = sorted(groups[rule.group].members) if rule.group in groups else []
        if not members:
            return ""
        parts = [f"ip {side} {{ {', '.join(map(str, members))} }}"]
    elif rule.cidr is None:
        return ""  # a prefix list, which stands for the API; that is exempt
    elif rule.cidr != "0.0.0.0/0":
        parts = [f"ip {side} {rule.cidr}"]
    if rule.protocol in ("tcp", "udp"):
        parts.append(f"{rule.protocol} dport {rule.first_port}-{rule.last_port}")
    elif rule.protocol == "icmp":
        parts.append("ip protocol icmp")
        if rule.first_port not in (None, -1):
            parts.append(f"icmp type {rule.first_port}")
    elif rule.protocol != ANY_PROTOCOL:
        parts.append(f"ip protocol {rule.protocol}")
    return " ".join([*parts, "accept"])


def _lines(statements: Iterable[str]) -> str:
    return "".join(f"        {s}\n" for s in sorted(statements) if s)
