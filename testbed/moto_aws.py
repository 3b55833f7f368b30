"""The local cloud's AWS in this process: moto with the lab's mends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lab.aws.autoscaling import groups

REGION = "eu-central-1"
USER_DATA = "IyEvYmluL3NoCg=="


@dataclass
class Aws:
    """Clients of the patched moto, and short ways to what the tests need."""

    ec2: Any
    autoscaling: Any
    rds: Any
    secrets: Any
    subnets: list[str]
    template: str

    def group(
        self, capacity: int, hooks: list[dict[str, Any]] | None = None, **options: Any
    ) -> None:
        self.autoscaling.create_auto_scaling_group(
            AutoScalingGroupName="g",
            MinSize=0,
            MaxSize=9,
            DesiredCapacity=capacity,
            VPCZoneIdentifier=",".join(self.subnets),
            LaunchTemplate={"LaunchTemplateId": self.template, "Version": "$Latest"},
            LifecycleHookSpecificationList=hooks or [],
            **options,
        )

    def instances(self) -> list[dict[str, Any]]:
        (group,) = self.autoscaling.describe_auto_scaling_groups()["AutoScalingGroups"]
        found: list[dict[str, Any]] = group["Instances"]
        return found

    def states(self) -> list[str]:
        return sorted(i["LifecycleState"] for i in self.instances())

    def ids(self) -> set[str]:
        return {i["InstanceId"] for i in self.instances()}

    def running(self) -> set[str]:
        """Instances that EC2 shows as running."""
        running = {"Name": "instance-state-name", "Values": ["running"]}
        reservations = self.ec2.describe_instances(Filters=[running])["Reservations"]
        return {i["InstanceId"] for r in reservations for i in r["Instances"]}

    def new_template_version(self) -> None:
        self.ec2.create_launch_template_version(
            LaunchTemplateId=self.template,
            LaunchTemplateData={"ImageId": "ami-12c6146b", "UserData": USER_DATA},
        )


def tick(now: float | None = None) -> None:
    """One round of the groups, at `now` of the monotonic clock; every machine runs."""
    groups.tick(lambda _: True, now)
