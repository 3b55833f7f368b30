"""A group of identical instances, replaced step by step when their launch template changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cdktf import TerraformResourceLifecycle
from cdktf_cdktf_provider_aws.autoscaling_group import (
    AutoscalingGroup,
    AutoscalingGroupInitialLifecycleHook,
    AutoscalingGroupInstanceRefresh,
    AutoscalingGroupInstanceRefreshPreferences,
    AutoscalingGroupLaunchTemplate,
    AutoscalingGroupTag,
)
from cdktf_cdktf_provider_aws.autoscaling_lifecycle_hook import AutoscalingLifecycleHook
from constructs import Construct

from c4.instances.launch_template import LaunchTemplate
from c4.instances.role import InstanceRole
from common.names import HOOK_LAUNCHING, HOOK_TERMINATING

MAX_HEARTBEAT_S = 7200  # limit of AWS; the agent's heartbeats go beyond it
METRICS = ("GroupDesiredCapacity", "GroupInServiceInstances", "GroupPendingInstances")


@dataclass(frozen=True)
class Capacity:
    """Number of instances."""

    min: int
    max: int
    initial: int


@dataclass(frozen=True)
class Lifecycle:
    """Limits, in seconds, for the launch of an instance and for its drain."""

    launch_s: int
    drain_s: int


class InstanceGroup(Construct):
    """Autoscaling group over the given subnets. `tags` go to the instances."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        name: str,
        template: LaunchTemplate,
        role: InstanceRole,
        subnet_ids: Sequence[str],
        capacity: Capacity,
        lifecycle: Lifecycle,
        tags: Mapping[str, str],
    ) -> None:
        super().__init__(scope, id_)
        hooks = _hooks(lifecycle)
        self._group = AutoscalingGroup(
            self,
            "group",
            name=name,
            min_size=capacity.min,
            max_size=capacity.max,
            desired_capacity=capacity.initial,
            vpc_zone_identifier=list(subnet_ids),
            launch_template=AutoscalingGroupLaunchTemplate(
                id=template.id, version=template.version
            ),
            health_check_type="EC2",
            health_check_grace_period=60,
            # Instances find each other while they boot, so no group waits for another one:
            # The hooks report "in service", and `c4 status` shows it; `apply` does not wait for it.
            wait_for_capacity_timeout="0",
            initial_lifecycle_hook=hooks,  # the first instances need them already
            instance_refresh=_refresh(),
            enabled_metrics=list(METRICS),
            tag=[
                AutoscalingGroupTag(key=key, value=value, propagate_at_launch=True)
                for key, value in {"Name": name, **tags}.items()
            ],
            lifecycle=TerraformResourceLifecycle(ignore_changes=["desired_capacity"]),
            # The template only names the profile, so that Terraform can create both at once. An
            # instance must not boot before it has its permissions, though.
            depends_on=role.parts,
        )
        for hook in hooks:  # the initial ones cannot be changed later; these can
            AutoscalingLifecycleHook(
                self,
                hook.name,
                autoscaling_group_name=self._group.name,
                name=hook.name,
                lifecycle_transition=hook.lifecycle_transition,
                heartbeat_timeout=hook.heartbeat_timeout,
                default_result=hook.default_result,
            )

    @property
    def name(self) -> str:
        return self._group.name


def _hooks(lifecycle: Lifecycle) -> list[AutoscalingGroupInitialLifecycleHook]:
    return [
        AutoscalingGroupInitialLifecycleHook(
            name=HOOK_LAUNCHING,
            lifecycle_transition="autoscaling:EC2_INSTANCE_LAUNCHING",
            heartbeat_timeout=min(lifecycle.launch_s, MAX_HEARTBEAT_S),
            default_result="ABANDON",
        ),
        AutoscalingGroupInitialLifecycleHook(
            name=HOOK_TERMINATING,
            lifecycle_transition="autoscaling:EC2_INSTANCE_TERMINATING",
            heartbeat_timeout=min(lifecycle.drain_s, MAX_HEARTBEAT_S),
            default_result="CONTINUE",
        ),
    ]


def _refresh() -> AutoscalingGroupInstanceRefresh:
    return AutoscalingGroupInstanceRefresh(
        strategy="Rolling",
        preferences=AutoscalingGroupInstanceRefreshPreferences(
            # A new instance is in service before an old one leaves, and one bad version
            # stops at the first checkpoint.
            min_healthy_percentage=100,
            max_healthy_percentage=110,
            instance_warmup="30",
            checkpoint_percentages=[20, 50, 100],
            checkpoint_delay="300",
            auto_rollback=True,
            skip_matching=True,
        ),
    )
