"""What the settings of a deployment need of each resource that AWS limits."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from common import ports
from common.topology import Segment, Tier
from settings.deployment import Deployment
from settings.tenant import Tenant
from settings.tiers import CallTierSize

GROUPS_PER_TENANT: Final = len(Tier)
REFRESH_PERCENT: Final = 110  # of its instances, that a group may have during a refresh
_FAMILY: Final = re.compile(r"^([a-z]+)")
_STANDARD: Final = frozenset("acdhimrtz")
# Quotas of vCPUs of running on-demand instances, by the letters of the type.
_VCPU_QUOTAS: Final = {
    "dl": "L-6E869C2A",
    "f": "L-74FC7D96",
    "g": "L-DB2E81BA",
    "vt": "L-DB2E81BA",
    "inf": "L-1945791B",
    "p": "L-417A185B",
    "trn": "L-2C3B7624",
    "u": "L-43DA4232",
    "x": "L-7295265B",
}
STANDARD_VCPUS: Final = "L-1216C47A"


@dataclass(frozen=True)
class Quota:
    """A limit of AWS: its place in Service Quotas, and its value in a new account.

    `counted` says how what is already in use is counted; None where the limit is that of one VPC,
    group or interface, so that other things in the account take nothing of it.
    """

    title: str
    service: str
    code: str
    default: int
    counted: str | None = None


@dataclass(frozen=True)
class Need:
    """How much of a quota the deployment needs in all, when every group has its maximum."""

    quota: Quota
    amount: int
    why: str = ""


def instance_types(deployment: Deployment) -> dict[str, int]:
    """Instances of each EC2 type, at the maximum of every group and during its refresh."""
    found: dict[str, int] = {}
    servers = deployment.consul
    sizes = [(servers.instance_type, servers.servers)]
    for tenant in deployment.tenants:
        sizes += [(tenant.size(t).instance_type, tenant.size(t).max) for t in Tier]
    for kind, count in sizes:
        found[kind] = found.get(kind, 0) + math.ceil(count * REFRESH_PERCENT / 100)
    build = deployment.image.build_instance_type
    found[build] = found.get(build, 0) + 1
    return found


def vcpu_code(instance_type: str) -> str | None:
    """Code of the quota of vCPUs that counts instances of this type; None if it is not known."""
    family = _FAMILY.match(instance_type)
    letters = family[1] if family else ""
    if letters in _VCPU_QUOTAS:
        return _VCPU_QUOTAS[letters]
    return STANDARD_VCPUS if letters[:1] in _STANDARD else None


def needs(deployment: Deployment, vcpus: Mapping[str, int]) -> list[Need]:
    """Everything that the deployment needs; `vcpus` are those of each EC2 instance type."""
    return [Need(quota, count(deployment), why) for quota, count, why in _COUNTED] + list(
        _vcpu_needs(deployment, vcpus)
    )


def _vcpu_needs(deployment: Deployment, vcpus: Mapping[str, int]) -> Iterator[Need]:
    by_code: dict[str, dict[str, int]] = {}
    for kind, count in instance_types(deployment).items():
        code = vcpu_code(kind)
        if code is not None:
            by_code.setdefault(code, {})[kind] = count
    for code, types in sorted(by_code.items()):
        letters = "standard" if code == STANDARD_VCPUS else "/".join(sorted(types))
        yield Need(
            Quota(f"vCPUs, on-demand, {letters}", "ec2", code, 5, counted="running_vcpus"),
            sum(count * vcpus[kind] for kind, count in types.items()),
            ", ".join(f"{count} {kind}" for kind, count in sorted(types.items())),
        )


def _pool(tenant: Tenant, tier: Tier) -> int:
    size = tenant.size(tier)
    if not tier.has_public_address or not isinstance(size, CallTierSize):
        return 0
    return size.max + size.spare_addresses


def nat_gateways(deployment: Deployment) -> int:
    """NAT gateways of the deployment."""
    return len(deployment.zones) if deployment.network.nat_gateways == "per-zone" else 1


def elastic_ips(deployment: Deployment) -> int:
    """Elastic IPs of the deployment: pools of SBCs and rtpengines, and NAT gateways."""
    pools = sum(_pool(tenant, tier) for tenant in deployment.tenants for tier in Tier)
    return pools + nat_gateways(deployment)


def security_groups(deployment: Deployment) -> int:
    """Security groups: endpoints, the VPC's default, Consul's two, the image's, tenants'."""
    endpoints = 1 if deployment.network.interface_endpoints else 0
    return endpoints + 1 + 2 + 1 + (GROUPS_PER_TENANT + 1) * len(deployment.tenants)


def rules_per_group(deployment: Deployment) -> int:
    """Rules of the largest security group, in one direction."""
    consul_agents = len(ports.CONSUL_SERF.protocols) + 2  # servers, APIs of AWS
    counts = [consul_agents]
    sip = len(ports.SIP.protocols) + len(ports.SIPS.protocols)
    metrics = len(deployment.metrics_sources)
    for tenant in deployment.tenants:
        capture = 1 if tenant.sip.capture.homer_target is not None else 0
        counts += [
            sip + 2 + metrics,  # into an SBC: also other SBCs and routers
            4 + capture,  # out of a router: SBCs, routers, rtpengines, router-confd
            1 + len(tenant.api_sources),  # into router-confd: routers
        ]
    return max(counts)


def health_checks(deployment: Deployment) -> int:
    """Health checks of Route 53, one for each address of an SBC that has a public name."""
    return sum(_pool(t, Tier.SBC) for t in deployment.tenants if t.dns is not None)


def _subnets(deployment: Deployment) -> int:
    return len(Segment) * len(deployment.zones)


_COUNTED: Final[tuple[tuple[Quota, Callable[[Deployment], int], str], ...]] = (
    (
        Quota("Elastic IPs", "ec2", "L-0263D0A3", 5, counted="addresses"),
        elastic_ips,
        "max + spare_addresses of each SBC and RTP tier, and NAT gateways",
    ),
    (
        Quota("NAT gateways in a zone", "vpc", "L-FE5A380F", 5, counted="nat_gateways"),
        lambda _: 1,
        "",
    ),
    (Quota("VPCs", "vpc", "L-F678F1CE", 5, counted="vpcs"), lambda _: 1, ""),
    (
        Quota("internet gateways", "vpc", "L-A4707A72", 5, counted="internet_gateways"),
        lambda _: 1,
        "",
    ),
    (
        Quota("gateway endpoints", "vpc", "L-1B52E74A", 20, counted="gateway_endpoints"),
        lambda _: 1,
        "",
    ),
    (
        Quota("interface endpoints in a VPC", "vpc", "L-29B6F2EB", 50),
        lambda d: len(d.network.interface_endpoints),
        "",
    ),
    (Quota("subnets in a VPC", "vpc", "L-407747CB", 200), _subnets, ""),
    (
        Quota("route tables in a VPC", "vpc", "L-589F43AA", 200),
        lambda d: _subnets(d) + 1,
        "one for each subnet, and the VPC's own",
    ),
    (
        Quota("security groups", "vpc", "L-E79EC296", 2500, counted="security_groups"),
        security_groups,
        "",
    ),
    (
        Quota("rules of a security group, in or out", "vpc", "L-0EA8095F", 60),
        rules_per_group,
        "grows with api_sources and metrics_sources",
    ),
    (Quota("security groups of an interface", "vpc", "L-2AFB9258", 5), lambda _: 2, ""),
    (
        Quota("Auto Scaling groups", "autoscaling", "L-CDE20ADC", 500, counted="groups"),
        lambda d: 1 + GROUPS_PER_TENANT * len(d.tenants),
        "",
    ),
    (
        Quota("RDS instances", "rds", "L-7B6409FD", 40, counted="databases"),
        lambda d: len(d.tenants),
        "",
    ),
    (
        Quota("IAM roles", "iam", "L-FE177D64", 1000, counted="roles"),
        lambda d: 3 + GROUPS_PER_TENANT * len(d.tenants),
        "",
    ),
    (
        Quota("Route 53 health checks", "route53", "L-ACB674F3", 200, counted="health_checks"),
        health_checks,
        "one for each address of a tenant with `dns`",
    ),
)
