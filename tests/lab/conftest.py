"""moto in this process, with the lab's patches for the time of one test."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import boto3.session
import pytest
from moto import mock_aws

from lab.aws import moto
from lab.aws.autoscaling import groups, refresh_api

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
    groups.tick(lambda _: True, now)


@pytest.fixture(scope="session")
def clients() -> dict[str, Any]:
    """boto3 clients, made once; moto intercepts them while it is switched on."""
    session = boto3.session.Session("x", "x", region_name=REGION)
    return {s: session.client(s) for s in ("ec2", "autoscaling", "rds", "secretsmanager")}


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch, clients: dict[str, Any]) -> Iterator[Aws]:
    monkeypatch.setenv("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")  # thousands, a second per test
    monkeypatch.setenv("MOTO_EC2_LOAD_DEFAULT_VPCS", "false")
    with mock_aws():
        moto.apply(partial(monkeypatch.setattr, raising=False))
        monkeypatch.setattr(refresh_api, "_runs", [])
        ec2 = clients["ec2"]
        vpc = ec2.create_vpc(CidrBlock="10.50.0.0/16")["Vpc"]["VpcId"]
        subnets = [
            ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.50.{n}.0/24", AvailabilityZone=REGION + z)
            for n, z in enumerate("abc", 1)
        ]
        template = ec2.create_launch_template(
            LaunchTemplateName="t",
            LaunchTemplateData={
                "ImageId": "ami-12c6146b",
                "InstanceType": "t3.small",
                "UserData": USER_DATA,
            },
        )
        yield Aws(
            ec2,
            clients["autoscaling"],
            clients["rds"],
            clients["secretsmanager"],
            [s["Subnet"]["SubnetId"] for s in subnets],
            template["LaunchTemplate"]["LaunchTemplateId"],
        )
