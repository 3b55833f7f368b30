"""An instance of an autoscaling group, and its launch into the right subnet.

moto launches all instances of a group into the first subnet.

Upstream: getmoto/moto#1288 (closed) gave instances a subnet; no issue known about the others.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

from moto.autoscaling.models import ASG_NAME_TAG, FakeAutoScalingGroup, InstanceState


class GroupInstance(InstanceState):
    """An instance of a group, with properties that moto does not store."""

    def __init__(self, instance: Any, group: Any, version: int | None) -> None:
        super().__init__(
            instance,
            lifecycle_state="Pending",
            protected_from_scale_in=group.new_instances_protected_from_scale_in,
            autoscaling_group=group,
        )
        self.version = version
        self.launched = time.monotonic()
        self.in_service: float | None = None
        self.waits: dict[str, float] = {}  # hook name -> deadline

    @property
    def launch_template(self) -> dict[str, Any] | None:
        """The version that this instance was launched from, not the group's current one."""
        template = self.auto_scaling_group.ec2_launch_template
        if template is None:
            return None
        return {
            "LaunchTemplateId": template.id,
            "LaunchTemplateName": template.name,
            "Version": str(self.version),
        }


def create(group: FakeAutoScalingGroup, active: Sequence[InstanceState]) -> GroupInstance:
    """Launch one instance in the subnet that has the fewest of the `active` ones."""
    subnets = group.vpc_zone_identifier.split(",") if group.vpc_zone_identifier else []
    used = Counter(s.instance.subnet_id for s in active)
    subnet_id = min(subnets, key=lambda s: used[s]) if subnets else None
    ec2 = group.ec2_backend
    zone = ec2.get_subnet(subnet_id).availability_zone if subnet_id else None
    template, version = group.ec2_launch_template, None
    interfaces: list[dict[str, Any]] = []
    if template is not None:
        chosen = template.get_version(group.launch_template_version)
        version = chosen.number
        interfaces = chosen.data.get("NetworkInterfaces") or []
    first = interfaces[0] if interfaces else {}
    tags = group.get_propagated_tags() | {ASG_NAME_TAG: group.name} | group.instance_tags
    reservation = ec2.run_instances(
        group.image_id,
        1,
        group.user_data,
        group.security_groups,
        instance_type=group.instance_type,
        tags={"instance": tags},
        placement=zone or group.availability_zones[0],
        launch_config=group.launch_config,
        launch_template=(
            {"LaunchTemplateId": template.id, "Version": version} if template else None
        ),
        is_instance_type_default=False,
        associate_public_ip=first.get("AssociatePublicIpAddress"),
        security_group_ids=list(first.get("Groups") or []),
        subnet_id=subnet_id,
    )
    instance = reservation.instances[0]
    instance.autoscaling_group = group  # type: ignore[attr-defined]
    return GroupInstance(instance, group, version)
