"""API calls of autoscaling groups that moto lacks or only stores.

Upstream: getmoto/moto#1284 added SetInstanceHealth, which replaces nothing; getmoto/moto#4259
added lifecycle hooks without their actions. No issue known about the targets
that moto invents for a hook, about hooks given with a new group and DescribeScalingActivities.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from moto.autoscaling.exceptions import ValidationError
from moto.autoscaling.models import AutoScalingBackend, FakeAutoScalingGroup
from moto.autoscaling.responses import AutoScalingResponse
from moto.core.responses import ActionResult, EmptyResult

from lab.aws.autoscaling import activities, groups
from lab.aws.autoscaling.group_instance import GroupInstance


def _waiting(params: dict[str, Any]) -> tuple[FakeAutoScalingGroup, GroupInstance, str]:
    """The group, the instance and the hook of a request. Raises if they do not belong together."""
    instance_id, hook = params.get("InstanceId"), params["LifecycleHookName"]
    found = groups.find(instance_id or "")
    group_name = params["AutoScalingGroupName"]
    if found is None or found[0].name != group_name or hook not in found[1].waits:
        raise ValidationError(f"No active Lifecycle Action found with instance ID {instance_id}")
    return *found, hook


def complete_lifecycle_action(self: AutoScalingResponse) -> ActionResult:
    params = self._get_params()
    group, state, hook = _waiting(params)
    groups.complete(state, group, hook, params["LifecycleActionResult"])
    return EmptyResult()


def record_lifecycle_action_heartbeat(self: AutoScalingResponse) -> ActionResult:
    group, state, name = _waiting(self._get_params())
    hook = self.autoscaling_backend.lifecycle_hooks[f"{group.name}_{name}"]
    state.waits[name] = time.monotonic() + hook.heartbeat_timeout
    return EmptyResult()


def describe_scaling_activities(self: AutoScalingResponse) -> ActionResult:
    return ActionResult(
        {"Activities": activities.of_group(self._get_param("AutoScalingGroupName"))}
    )


def set_instance_health(self: AutoScalingResponse) -> ActionResult:
    """Unhealthy instances are replaced at the next tick, unless in their group's grace period."""
    params = self._get_params()
    found = groups.find(params.get("InstanceId") or "")
    if found is None or params.get("HealthStatus") not in ("Healthy", "Unhealthy"):
        raise ValidationError(
            f"Instance Id not found - No managed instance {params.get('InstanceId')}"
        )
    group, state = found
    respect = str(params.get("ShouldRespectGracePeriod", True)).lower() != "false"
    grace = group.health_check_grace_period or 0
    young = state.in_service is None or time.monotonic() - state.in_service < grace
    if not (respect and young):
        state.health_status = params["HealthStatus"]
    return EmptyResult()


def apply(put: Callable[[Any, str, Any], None]) -> None:
    for call in (
        complete_lifecycle_action,
        record_lifecycle_action_heartbeat,
        describe_scaling_activities,
        set_instance_health,
    ):
        put(AutoScalingResponse, call.__name__, call)
    _hooks_without_invented_targets(put)
    _hooks_of_new_groups(put)
    _deletion_without_waiting(put)


def _hooks_without_invented_targets(put: Callable[[Any, str, Any], None]) -> None:
    """Remove the queue and the role that moto invents, which Terraform would see as a change."""
    create = AutoScalingBackend.create_lifecycle_hook

    def create_lifecycle_hook(self: AutoScalingBackend, *args: Any, **kwargs: Any) -> Any:
        hook: Any = create(self, *args, **kwargs)
        hook.role_arn = hook.notification_target_arn = None
        return hook

    put(AutoScalingBackend, "create_lifecycle_hook", create_lifecycle_hook)


def _hooks_of_new_groups(put: Callable[[Any, str, Any], None]) -> None:
    """Apply the hooks of CreateAutoScalingGroup to the first instances too."""
    create = AutoScalingResponse.create_auto_scaling_group

    def create_auto_scaling_group(self: AutoScalingResponse) -> Any:
        for hook in self._get_param("LifecycleHookSpecificationList", []):
            self.autoscaling_backend.create_lifecycle_hook(
                name=hook["LifecycleHookName"],
                as_name=self._get_param("AutoScalingGroupName"),
                transition=hook["LifecycleTransition"],
                timeout=int(hook["HeartbeatTimeout"]) if "HeartbeatTimeout" in hook else None,
                result=hook.get("DefaultResult"),
            )
        return create(self)

    put(AutoScalingResponse, "create_auto_scaling_group", create_auto_scaling_group)


def _deletion_without_waiting(put: Callable[[Any, str, Any], None]) -> None:
    """Have DeleteAutoScalingGroup end the remaining instances without hooks (ForceDelete)."""
    delete = AutoScalingBackend.delete_auto_scaling_group

    def delete_auto_scaling_group(self: AutoScalingBackend, group_name: str) -> None:
        group = self.autoscaling_groups.get(group_name)
        if group is not None:
            hooks = self.describe_lifecycle_hooks(group_name)
            for hook in hooks:
                self.delete_lifecycle_hook(group_name, hook.name)
            for state in list(group.instance_states):
                groups.finish(group, state)  # type: ignore[arg-type]
        delete(self, group_name)

    put(AutoScalingBackend, "delete_auto_scaling_group", delete_auto_scaling_group)
