"""Autoscaling groups on the patched moto behave as on AWS, where our stacks rely on it."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

import pytest
from botocore.exceptions import ClientError

from lab.aws.autoscaling import groups, refresh_api
from lab.aws.views import instances
from testbed.moto_aws import Aws, tick

LAUNCH = {
    "LifecycleHookName": "up",
    "LifecycleTransition": groups.LAUNCHING,
    "HeartbeatTimeout": 60,
    "DefaultResult": "ABANDON",
}
TERMINATE = {
    "LifecycleHookName": "down",
    "LifecycleTransition": groups.TERMINATING,
    "HeartbeatTimeout": 60,
    "DefaultResult": "CONTINUE",
}


def complete(aws: Aws, instance: str, hook: str = "up", result: str = "CONTINUE") -> None:
    aws.autoscaling.complete_lifecycle_action(
        AutoScalingGroupName="g",
        LifecycleHookName=hook,
        InstanceId=instance,
        LifecycleActionResult=result,
    )


def test_instances_are_spread_over_the_subnets(aws: Aws) -> None:
    aws.group(5)
    used = Counter(i["AvailabilityZone"] for i in aws.instances())
    assert sorted(used.values()) == [1, 2, 2]


def test_an_instance_is_in_service_when_its_machine_runs(aws: Aws) -> None:
    aws.group(1)
    groups.tick(lambda _: False)
    assert aws.states() == ["Pending"]
    tick()
    assert aws.states() == ["InService"]


def test_launching_hook_holds_until_completed(aws: Aws) -> None:
    aws.group(2, [LAUNCH])
    tick()
    assert aws.states() == ["Pending:Wait"] * 2
    complete(aws, min(aws.ids()))
    assert aws.states() == ["InService", "Pending:Wait"]


def test_abandoned_launch_is_replaced(aws: Aws) -> None:
    aws.group(1, [LAUNCH])
    (first,) = aws.ids()
    complete(aws, first, result="ABANDON")
    assert first not in aws.ids() | aws.running()
    assert aws.states() == ["Pending:Wait"]


def test_launch_that_nobody_completes_takes_the_default_result(aws: Aws) -> None:
    aws.group(1, [LAUNCH])
    (first,) = aws.ids()
    tick(time.monotonic() + 59)
    assert aws.ids() == {first}
    tick(time.monotonic() + 61)
    assert first not in aws.ids()


def test_heartbeat_prolongs_the_wait(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    aws.group(1, [LAUNCH])
    (first,) = aws.ids()
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 50)
    aws.autoscaling.record_lifecycle_action_heartbeat(
        AutoScalingGroupName="g", LifecycleHookName="up", InstanceId=first
    )
    tick(now + 100)
    assert aws.ids() == {first}


@pytest.mark.parametrize(
    "wrong", [{"hook": "other"}, {"instance": "i-0"}], ids=["hook", "instance"]
)
def test_completing_what_nobody_waits_for_is_an_error(aws: Aws, wrong: dict[str, Any]) -> None:
    aws.group(1, [LAUNCH])
    (first,) = aws.ids()
    with pytest.raises(ClientError, match="No active Lifecycle Action"):
        complete(aws, **({"instance": first} | wrong))


def test_scale_in_waits_for_the_terminating_hook(aws: Aws) -> None:
    aws.group(2, [TERMINATE])
    tick()
    aws.autoscaling.set_desired_capacity(AutoScalingGroupName="g", DesiredCapacity=1)
    assert aws.states() == ["InService", "Terminating:Wait"]
    assert len(aws.running()) == 2
    (victim,) = (i["InstanceId"] for i in aws.instances() if i["LifecycleState"] != "InService")
    shown = {v.id: v.target_state for v in instances()}
    assert shown.pop(victim) == "Terminated"
    assert set(shown.values()) == {"InService"}
    complete(aws, victim, "down")
    assert aws.states() == ["InService"]
    assert victim not in aws.running()


def test_scale_in_takes_from_the_fullest_zone(aws: Aws) -> None:
    aws.group(4)
    tick()
    aws.autoscaling.set_desired_capacity(AutoScalingGroupName="g", DesiredCapacity=3)
    assert len({i["AvailabilityZone"] for i in aws.instances()}) == 3


def test_protected_instances_survive_scale_in(aws: Aws) -> None:
    aws.group(2, NewInstancesProtectedFromScaleIn=True)
    tick()
    aws.autoscaling.set_desired_capacity(AutoScalingGroupName="g", DesiredCapacity=0)
    assert aws.states() == ["InService"] * 2


def test_instance_that_ec2_terminates_is_replaced(aws: Aws) -> None:
    aws.group(2)
    tick()
    before = aws.ids()
    aws.ec2.terminate_instances(InstanceIds=[min(before)])
    assert len(aws.ids()) == 2
    assert min(before) not in aws.ids()


def test_unhealthy_instance_is_replaced_once_the_grace_period_is_over(aws: Aws) -> None:
    aws.group(1, HealthCheckGracePeriod=300)
    tick()
    (first,) = aws.ids()
    aws.autoscaling.set_instance_health(InstanceId=first, HealthStatus="Unhealthy")
    tick()
    assert aws.ids() == {first}
    aws.autoscaling.set_instance_health(
        InstanceId=first, HealthStatus="Unhealthy", ShouldRespectGracePeriod=False
    )
    tick()
    assert first not in aws.ids()
    assert len(aws.ids()) == 1


def test_activities_are_told(aws: Aws) -> None:
    aws.group(1)
    (first,) = aws.ids()
    activities = aws.autoscaling.describe_scaling_activities(AutoScalingGroupName="g")["Activities"]
    assert any(first in a["Description"] for a in activities)


def test_deleting_a_group_ends_its_instances_without_hooks(aws: Aws) -> None:
    aws.group(2, [TERMINATE])
    tick()
    aws.autoscaling.delete_auto_scaling_group(AutoScalingGroupName="g", ForceDelete=True)
    assert not aws.running()
    assert not aws.autoscaling.describe_lifecycle_hooks(AutoScalingGroupName="g")["LifecycleHooks"]


def refresh(aws: Aws, **preferences: Any) -> str:
    started = aws.autoscaling.start_instance_refresh(
        AutoScalingGroupName="g", Preferences=preferences
    )
    return str(started["InstanceRefreshId"])


def status(aws: Aws) -> tuple[str, int]:
    (run,) = aws.autoscaling.describe_instance_refreshes(AutoScalingGroupName="g")[
        "InstanceRefreshes"
    ]
    return run["Status"], run["PercentageComplete"]


def turn() -> None:
    tick()
    refresh_api.tick()


def test_refresh_replaces_all_and_never_goes_below_the_minimum(aws: Aws) -> None:
    aws.group(2)
    tick()
    old = aws.ids()
    aws.new_template_version()
    refresh(aws, MinHealthyPercentage=100)
    fewest = 2
    for _ in range(20):
        turn()
        fewest = min(fewest, aws.states().count("InService"))
    assert status(aws) == ("Successful", 100)
    assert not old & aws.ids()
    assert len(aws.ids()) == 2
    assert fewest == 2
    assert {i["LaunchTemplate"]["Version"] for i in aws.instances()} == {"2"}


def test_refresh_terminates_first_where_the_minimum_allows(aws: Aws) -> None:
    aws.group(2)
    tick()
    refresh(aws, MinHealthyPercentage=50)
    turn()
    assert len(aws.ids()) == 2
    assert len(aws.running()) == 2


def test_refresh_waits_for_the_hook_of_each_new_instance(aws: Aws) -> None:
    aws.group(2, [LAUNCH])
    for instance in aws.ids():
        complete(aws, instance)
    old = aws.ids()
    refresh(aws, MinHealthyPercentage=50)
    for _ in range(5):
        turn()
    assert len(old & aws.ids()) == 1
    assert aws.states() == ["InService", "Pending:Wait"]


def test_refresh_pauses_at_each_checkpoint(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    aws.group(4)
    tick()
    refresh(aws, MinHealthyPercentage=50, CheckpointPercentages=[20, 50, 100], CheckpointDelay=60)
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now)
    for _ in range(20):
        turn()
    assert status(aws) == ("InProgress", 25)
    now += 61
    for _ in range(20):
        turn()
    assert status(aws) == ("InProgress", 50)
    now += 61
    for _ in range(20):
        turn()
    assert status(aws) == ("Successful", 100)


def test_refresh_leaves_matching_instances_when_asked(aws: Aws) -> None:
    aws.group(2)
    tick()
    old = aws.ids()
    refresh(aws, SkipMatching=True)
    turn()
    assert aws.ids() == old
    assert status(aws)[0] == "Successful"


def test_only_one_refresh_at_a_time_and_it_can_be_cancelled(aws: Aws) -> None:
    aws.group(1)
    tick()
    refresh(aws)
    with pytest.raises(ClientError, match="already in progress"):
        refresh(aws)
    aws.autoscaling.cancel_instance_refresh(AutoScalingGroupName="g")
    assert status(aws)[0] == "Cancelled"
