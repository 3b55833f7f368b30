"""Plain data classes for the objects of moto that the lab reads."""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from ipaddress import IPv4Address, IPv4Network
from typing import Any, Final

from moto.backends import get_backend

from lab.names import ACCOUNT
from lab.network.firewall import Group, Rule

# moto's objects are not thread-safe: all code that reads or changes them must hold this lock.
MOTO: Final = threading.RLock()


@dataclass(frozen=True)
class InstanceView:
    """An EC2 instance that is pending or running."""

    id: str
    region: str
    zone: str
    image_id: str
    instance_type: str
    launched: datetime
    private_ip: IPv4Address
    public_ip: IPv4Address | None
    mac: str
    interface_id: str
    subnet_id: str
    subnet: IPv4Network
    vpc_id: str
    vpc: IPv4Network
    user_data: bytes | None = None
    tags: dict[str, str] = field(default_factory=dict)
    security_groups: tuple[str, ...] = ()  # names
    security_group_ids: tuple[str, ...] = ()
    profile: str | None = None  # name of the instance profile
    tags_in_metadata: bool = False
    token_required: bool = True
    target_state: str = "InService"  # or Terminated, as autoscaling/target-lifecycle-state

    @property
    def machine_id(self) -> str:
        return self.id

    @property
    def address(self) -> IPv4Address:
        return self.private_ip

    @property
    def hostname(self) -> str:
        return f"ip-{str(self.private_ip).replace('.', '-')}"

    @property
    def dns_name(self) -> str:
        return f"{self.hostname}.{self.region}.compute.internal"


def backends(service: str) -> list[tuple[str, Any]]:
    """(region, backend) of each region where `service` has been used."""
    return list(get_backend(service)[ACCOUNT].items())  # type: ignore[call-overload]


def instances(which: Callable[[Any], bool] = lambda _: True) -> Iterator[InstanceView]:
    """Every instance that has a machine or should get one; `which` chooses by moto's object."""
    for region, ec2 in backends("ec2"):
        for instance in list(ec2.all_instances()):
            if instance.state in ("pending", "running") and instance.subnet_id and which(instance):
                yield _view(ec2, region, instance)


def by_address(address: str) -> InstanceView | None:
    """The instance that has the private address."""
    with MOTO:
        return next(instances(lambda i: str(i.private_ip) == address), None)


def by_id(instance_id: str) -> InstanceView | None:
    """The instance with that id, while it has a machine."""
    with MOTO:
        return next(instances(lambda i: bool(i.id == instance_id)), None)


def subnet_ids() -> set[str]:
    """Every subnet that exists."""
    return {s.id for _, ec2 in backends("ec2") for z in ec2.subnets.values() for s in z.values()}


def security_groups(members: Mapping[str, Iterable[IPv4Address]]) -> dict[str, Group]:
    """Every security group; `members` has the addresses of the interfaces attached to each."""
    return {
        group.id: Group(
            group.id,
            ingress=tuple(_rule(r) for r in group.ingress_rules),
            egress=tuple(_rule(r) for r in group.egress_rules),
            members=frozenset(members.get(group.id, ())),
        )
        for _, ec2 in backends("ec2")
        for by_id in ec2.groups.values()
        for group in by_id.values()
    }


def _rule(rule: Any) -> Rule:
    return Rule(
        protocol=rule.ip_protocol,
        first_port=rule.from_port,
        last_port=rule.to_port,
        cidr=rule.ip_range.get("CidrIp"),
        group=rule.source_group.get("GroupId"),
    )


def launch_template_data(ec2: Any, instance: Any) -> dict[str, Any]:
    """The launch template version that an instance was launched from; empty without one."""
    tags = {t["key"]: t["value"] for t in instance.get_tags()}
    template = tags.get("aws:ec2launchtemplate:id")
    if template is None:
        return {}
    version = ec2.get_launch_template(template).get_version(tags["aws:ec2launchtemplate:version"])
    data: dict[str, Any] = version.data
    return data


def _view(ec2: Any, region: str, instance: Any) -> InstanceView:
    subnet = ec2.get_subnet(instance.subnet_id)
    vpc = ec2.get_vpc(subnet.vpc_id)
    nic = instance.nics[0]
    template = launch_template_data(ec2, instance)
    options = template.get("MetadataOptions") or {}
    return InstanceView(
        id=instance.id,
        region=region,
        zone=subnet.availability_zone,
        image_id=instance.image_id,
        instance_type=instance.instance_type,
        launched=instance.launch_time,
        private_ip=IPv4Address(instance.private_ip),
        public_ip=IPv4Address(nic.public_ip) if nic.public_ip else None,
        mac=nic.mac_address,
        interface_id=nic.id,
        subnet_id=subnet.id,
        subnet=IPv4Network(subnet.cidr_block),
        vpc_id=vpc.id,
        vpc=IPv4Network(vpc.cidr_block),
        user_data=_decode(instance.user_data),
        tags={t["key"]: t["value"] for t in instance.get_tags()},
        security_groups=tuple(g.name for g in instance.security_groups),
        security_group_ids=tuple(g.id for g in instance.security_groups),
        profile=_profile(instance.iam_instance_profile or template.get("IamInstanceProfile")),
        tags_in_metadata=options.get("InstanceMetadataTags") == "enabled",
        token_required=options.get("HttpTokens", "required") == "required",
        target_state=_target_state(instance),
    )


def _target_state(instance: Any) -> str:
    group = getattr(instance, "autoscaling_group", None)
    for state in group.instance_states if group is not None else ():
        if state.instance.id == instance.id:
            return "Terminated" if state.lifecycle_state.startswith("Termin") else "InService"
    return "InService"


def _profile(profile: Any) -> str | None:
    if isinstance(profile, dict):
        return profile.get("Name") or str(profile.get("Arn", "")).rsplit("/", 1)[-1] or None
    return str(profile) if profile else None


def _decode(user_data: Any) -> bytes | None:
    if not user_data:
        return None
    return base64.b64decode(user_data.as_bytes() if hasattr(user_data, "as_bytes") else user_data)
