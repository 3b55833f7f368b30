"""Autoscaling groups as on EC2: zones, lifecycle hooks that really wait, replacement.

moto puts all instances of a group into the first subnet, considers them in service at once, and
stores hooks without acting on them. Here an instance passes the states of EC2 Auto Scaling:

    Pending -> [Pending:Wait] -> InService -> [Terminating:Wait] -> gone

It waits where a hook requires it. `tick` advances time; nothing here blocks.

Upstream: getmoto/moto#4259 added the hooks, and says that they have no effect.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, Final

from moto.autoscaling.exceptions import ValidationError
from moto.autoscaling.models import (
    AutoScalingBackend,
    FakeAutoScalingGroup,
    LifecycleHook,
    TerminateInstanceActivity,
)

from lab.aws.autoscaling.activities import record
from lab.aws.autoscaling.group_instance import GroupInstance, create
from lab.aws.views import backends

LAUNCHING: Final = "autoscaling:EC2_INSTANCE_LAUNCHING"
TERMINATING: Final = "autoscaling:EC2_INSTANCE_TERMINATING"
COUNTED: Final = ("Pending", "Pending:Wait", "InService")  # towards the desired capacity


def all_groups() -> Iterator[tuple[AutoScalingBackend, FakeAutoScalingGroup]]:
    for _, backend in backends("autoscaling"):
        for group in list(backend.autoscaling_groups.values()):
            yield backend, group


def find(instance_id: str) -> tuple[FakeAutoScalingGroup, GroupInstance] | None:
    """The group that has the instance, and its entry there."""
    for _, group in all_groups():
        for state in group.instance_states:
            if state.instance.id == instance_id and isinstance(state, GroupInstance):
                return group, state
    return None


def active(group: FakeAutoScalingGroup) -> list[GroupInstance]:
    """The instances that count towards the desired capacity."""
    return [s for s in _states(group) if s.lifecycle_state in COUNTED]


def resize(group: FakeAutoScalingGroup, capacity: int | None) -> None:
    """Set the desired capacity, and launch missing or terminate surplus instances."""
    group.desired_capacity = group.min_size if capacity is None else capacity
    fill(group)


def fill(group: FakeAutoScalingGroup) -> None:
    """Launch or terminate instances until the desired number is active."""
    surplus = len(active(group)) - (group.desired_capacity or 0)
    suspended = {p["ProcessName"] for p in group.suspended_processes}
    if surplus < 0 and "Launch" not in suspended:
        launch(group, -surplus)
    elif surplus > 0 and "Terminate" not in suspended:
        for _ in range(surplus):
            if (victim := scale_in_choice(group)) is None:
                break
            terminate(group, victim, "the desired capacity was lowered")


def scale_in_choice(group: FakeAutoScalingGroup) -> GroupInstance | None:
    """Choose by the default policy: the fullest zone, the oldest template, the oldest instance."""
    candidates = [s for s in active(group) if not s.protected_from_scale_in]
    zones = Counter(s.availability_zone for s in active(group))
    return min(
        candidates,
        key=lambda s: (-zones[s.availability_zone], s.version or 0, s.launched),
        default=None,
    )


def launch(group: FakeAutoScalingGroup, count: int) -> None:
    """Launch instances, each in the subnet that has the fewest of the group."""
    for _ in range(count):
        state = create(group, active(group))
        group.instance_states.append(state)
        _wait(group, state, LAUNCHING, "Pending:Wait")
        cause = "the desired capacity"
        record(group, f"Launching a new EC2 instance: {state.instance.id}", cause)
    if group.name in group.autoscaling_backend.autoscaling_groups:
        group.autoscaling_backend.update_attached_target_groups(group.name)


def terminate(group: FakeAutoScalingGroup, state: GroupInstance, cause: str) -> None:
    """Take an instance out of the group. It ends at once, or when its hooks are completed."""
    if state.lifecycle_state.startswith("Terminating"):
        return
    record(group, f"Terminating EC2 instance: {state.instance.id}", cause)
    state.lifecycle_state = "Terminating"
    if not _wait(group, state, TERMINATING, "Terminating:Wait"):
        finish(group, state)


def finish(group: FakeAutoScalingGroup, state: GroupInstance) -> None:
    """Terminate the instance now, and remove it from its group."""
    group.instance_states = [s for s in group.instance_states if s is not state]
    if state.instance.state != "terminated":
        group.ec2_backend.terminate_instances([state.instance.id])


def lost(instance_ids: list[str]) -> None:
    """Replace instances that ended without an action of their group."""
    for _, group in all_groups():
        for state in [s for s in _states(group) if s.instance.id in instance_ids]:
            record(group, f"Terminating EC2 instance: {state.instance.id}", "it was terminated")
            finish(group, state)
            fill(group)


def complete(state: GroupInstance, group: FakeAutoScalingGroup, hook: str, result: str) -> None:
    """End the wait of one hook with CONTINUE or ABANDON."""
    state.waits.pop(hook, None)
    if state.lifecycle_state == "Pending:Wait":
        if result == "ABANDON":
            state.waits.clear()
            terminate(group, state, f"lifecycle hook {hook} was abandoned")
            fill(group)
        elif not state.waits:
            _serve(state)
    elif state.lifecycle_state == "Terminating:Wait" and (result == "ABANDON" or not state.waits):
        finish(group, state)


def tick(running: Callable[[str], bool], now: float | None = None) -> None:
    """Advance every group: started instances, expired waits, unhealthy instances.

    `running` says whether an instance's machine has been started.
    """
    now = time.monotonic() if now is None else now
    for backend, group in all_groups():
        for state in _states(group):
            if state.lifecycle_state == "Pending" and running(state.instance.id):
                _serve(state)
            for hook in [h for h, deadline in state.waits.items() if deadline <= now]:
                found = backend.lifecycle_hooks.get(f"{group.name}_{hook}")
                complete(state, group, hook, found.default_result if found else "CONTINUE")
            if state.health_status == "Unhealthy" and state.lifecycle_state in COUNTED:
                terminate(group, state, "it was set unhealthy")
                fill(group)


def _states(group: FakeAutoScalingGroup) -> list[GroupInstance]:
    return [s for s in list(group.instance_states) if isinstance(s, GroupInstance)]


def _serve(state: GroupInstance) -> None:
    state.lifecycle_state = "InService"
    state.in_service = time.monotonic()


def hooks(group: FakeAutoScalingGroup, transition: str) -> list[LifecycleHook]:
    every = group.autoscaling_backend.describe_lifecycle_hooks(group.name)
    return [h for h in every if h.lifecycle_transition == transition]


def _wait(group: FakeAutoScalingGroup, state: GroupInstance, transition: str, name: str) -> bool:
    now = time.monotonic()
    state.waits = {h.name: now + h.heartbeat_timeout for h in hooks(group, transition)}
    if state.waits:
        state.lifecycle_state = name
    return bool(state.waits)


def apply(put: Callable[[Any, str, Any], None]) -> None:
    put(FakeAutoScalingGroup, "active_instances", active)
    put(FakeAutoScalingGroup, "set_desired_capacity", resize)
    put(AutoScalingBackend, "notify_terminate_instances", lambda _, ids: lost(ids))
    put(AutoScalingBackend, "terminate_instance", _terminate_on_request)


def _terminate_on_request(
    backend: AutoScalingBackend, instance_id: str, should_decrement: bool
) -> TerminateInstanceActivity:
    found = find(instance_id)
    if found is None:
        raise ValidationError(f"Instance Id not found - No managed instance found: {instance_id}")
    group, state = found
    before = group.desired_capacity or 0
    if should_decrement:
        group.desired_capacity = before - 1
    terminate(group, state, "a user asked for it")
    fill(group)
    return TerminateInstanceActivity(state.instance, before)
