"""moto in this process, with the lab's patches for the time of one test."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import boto3.session
import pytest
from moto import mock_aws

from lab.aws import moto
from lab.aws.autoscaling import refresh_api
from testbed.moto_aws import REGION, USER_DATA, Aws


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
