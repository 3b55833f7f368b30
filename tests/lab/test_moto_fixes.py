"""The smaller differences between plain moto and AWS that the lab closes."""

from __future__ import annotations

import json
from ipaddress import IPv4Address
from typing import Any

import cbor2
from werkzeug.test import Client
from werkzeug.wrappers import Response

from lab.aws.moto_fixes import cloudwatch
from lab.aws.views import instances
from lab.names import ELASTIC_IPS
from testbed.moto_aws import Aws


def test_user_data_of_a_later_template_version(aws: Aws) -> None:
    aws.new_template_version()
    aws.group(1)
    (view,) = instances()
    assert view.user_data == b"#!/bin/sh\n"


def test_elastic_ips_are_unique_and_from_the_lab_range(aws: Aws) -> None:
    addresses = [aws.ec2.allocate_address(Domain="vpc")["PublicIp"] for _ in range(30)]
    assert len(set(addresses)) == 30
    assert all(IPv4Address(a) in ELASTIC_IPS for a in addresses)


def test_a_terminated_instance_gives_its_elastic_ip_back(aws: Aws) -> None:
    aws.group(1)
    (instance,) = aws.ids()
    address = aws.ec2.allocate_address(Domain="vpc")
    allocation = address["AllocationId"]
    aws.ec2.associate_address(AllocationId=allocation, InstanceId=instance)
    (view,) = instances()
    assert str(view.public_ip) == address["PublicIp"]
    aws.ec2.terminate_instances(InstanceIds=[instance])
    (found,) = aws.ec2.describe_addresses(AllocationIds=[allocation])["Addresses"]
    assert "AssociationId" not in found
    assert not found.get("InstanceId")


def database(aws: Aws) -> dict[str, Any]:
    (found,) = aws.rds.describe_db_instances()["DBInstances"]
    text = aws.secrets.get_secret_value(SecretId=found["MasterUserSecret"]["SecretArn"])
    secret: dict[str, Any] = json.loads(text["SecretString"])
    return secret


def test_managed_database_secret_is_real_and_rotates(aws: Aws) -> None:
    aws.rds.create_db_instance(
        DBInstanceIdentifier="c4-demo-acme",
        Engine="postgres",
        DBInstanceClass="db.t4g.small",
        AllocatedStorage=20,
        MasterUsername="router_confd",
        ManageMasterUserPassword=True,
    )
    first = database(aws)
    assert first["username"] == "router_confd"
    assert len(first["password"]) >= 24
    aws.rds.modify_db_instance(
        DBInstanceIdentifier="c4-demo-acme", RotateMasterUserPassword=True, ApplyImmediately=True
    )
    assert database(aws)["password"] != first["password"]


class Metrics:
    """Stands in for boto3's CloudWatch client: what the shim calls."""

    def __init__(self) -> None:
        self.calls: list[dict[str, Any]] = []

    def put_metric_alarm(self, **arguments: Any) -> dict[str, Any]:
        self.calls.append(arguments)
        return {"ResponseMetadata": {"HTTPStatusCode": 200}}


def test_cloudwatch_over_cbor_reaches_the_region_of_the_signature() -> None:
    metrics, regions = Metrics(), []

    def client(region: str) -> Metrics:
        regions.append(region)
        return metrics

    shim = Client(cloudwatch.with_cbor(Response("query protocol"), client))
    scope = "AWS4-HMAC-SHA256 Credential=lab/20250101/eu-central-1/monitoring/aws4_request, x"
    answer = shim.post(
        "/service/GraniteServiceVersion20100801/operation/PutMetricAlarm",
        data=cbor2.dumps({"AlarmName": "a", "Threshold": 1.5}),
        headers={"Smithy-Protocol": "rpc-v2-cbor", "Authorization": scope},
    )
    assert answer.status_code == 200
    assert cbor2.loads(answer.data) == {}
    assert metrics.calls == [{"AlarmName": "a", "Threshold": 1.5}]
    assert regions == ["eu-central-1"]
    assert shim.post("/").text == "query protocol"
