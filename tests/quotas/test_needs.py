"""Does `c4 quotas` count what Terraform would make?"""

from __future__ import annotations

import json
from collections import Counter
from ipaddress import IPv4Network
from typing import Any

import boto3
import pytest
from moto import mock_aws

from quotas import report
from quotas.account import Account
from quotas.needs import STANDARD_VCPUS, Need, Quota, instance_types, needs, vcpu_code
from settings import Deployment, load
from testbed.synthesized import Synthesized, synthesize

VCPUS = {"t3.small": 2, "t3.medium": 2, "m6i.large": 2, "c6i.large": 2, "c6i.xlarge": 4}


def by_title(deployment: Deployment) -> dict[str, Need]:
    return {need.quota.title: need for need in needs(deployment, VCPUS)}


@pytest.fixture(scope="module")
def production(tmp_path_factory: pytest.TempPathFactory) -> Synthesized:
    settings = load("production.example")
    sources = [IPv4Network(f"10.{i}.0.0/16") for i in range(9)]
    acme = settings.tenants[0].model_copy(update={"api_sources": sources})
    changed = {"tenants": [acme, *settings.tenants[1:]], "metrics_sources": sources[:3]}
    deployment = settings.model_copy(update=changed)
    return synthesize(deployment, tmp_path_factory.mktemp("quotas"))


@pytest.mark.parametrize(
    ("title", "kind"),
    [
        ("Elastic IPs", "aws_eip"),
        ("subnets in a VPC", "aws_subnet"),
        ("Auto Scaling groups", "aws_autoscaling_group"),
        ("RDS instances", "aws_db_instance"),
        ("IAM roles", "aws_iam_role"),
        ("Route 53 health checks", "aws_route53_health_check"),
        ("VPCs", "aws_vpc"),
    ],
)
def test_needs_are_what_the_stacks_contain(production: Synthesized, title: str, kind: str) -> None:
    made = len(list(production.resources(kind)))
    assert by_title(production.settings)[title].amount == made


def test_endpoints_and_groups_are_what_the_stacks_contain(production: Synthesized) -> None:
    found = by_title(production.settings)
    endpoints = Counter(
        body["vpc_endpoint_type"] for _, body in production.resources("aws_vpc_endpoint")
    )
    assert found["interface endpoints in a VPC"].amount == endpoints["Interface"]
    assert found["gateway endpoints"].amount == endpoints["Gateway"]
    groups = len(list(production.resources("aws_security_group")))
    assert found["security groups"].amount == groups + 1, "and the VPC's default"
    tables = len(list(production.resources("aws_route_table")))
    assert found["route tables in a VPC"].amount == tables + 1, "and the VPC's main table"


def test_rules_of_the_largest_group_are_counted(production: Synthesized) -> None:
    counted = Counter(
        (kind, where.split("/")[0], body["security_group_id"])
        for kind in ("ingress", "egress")
        for where, body in production.resources(f"aws_vpc_security_group_{kind}_rule")
    )
    need = by_title(production.settings)["rules of a security group, in or out"]
    assert need.amount == max(counted.values())


def test_vcpus_allow_for_a_refresh_and_a_build() -> None:
    deployment = load("demo")
    types = instance_types(deployment)
    # SBC 4, router 4, rtp 3, router-confd 3 (each and a tenth more), and the image's build.
    assert types == {"t3.small": 4, "c6i.large": 5 + 5 + 4 + 4 + 1}
    (need,) = (n for n in needs(deployment, VCPUS) if n.quota.code == STANDARD_VCPUS)
    assert need.amount == 2 * (4 + 19)


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("c6i.large", STANDARD_VCPUS),
        ("m7i-flex.large", STANDARD_VCPUS),
        ("t3.small", STANDARD_VCPUS),
        ("i4i.large", STANDARD_VCPUS),
        ("inf2.xlarge", "L-1945791B"),
        ("g5.xlarge", "L-DB2E81BA"),
        ("u-6tb1.metal", "L-43DA4232"),
        ("q9.large", None),
    ],
)
def test_each_family_of_instances_has_its_quota(kind: str, code: str | None) -> None:
    assert vcpu_code(kind) == code


@pytest.fixture
def region(monkeypatch: pytest.MonkeyPatch) -> Any:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    with mock_aws():
        yield "eu-central-1"


def rows(deployment: Deployment, region: str) -> dict[str, report.Row]:
    made = report.compare(deployment, Account(region, deployment.deployment))
    return {row.title: row for row in made.rows}


def test_a_new_account_is_short_of_addresses_and_vcpus(region: str) -> None:
    found = rows(load("demo"), region)
    addresses = found["Elastic IPs"]
    assert (addresses.needed, addresses.allowed, addresses.short) == (10, 5, 5)
    assert not addresses.from_account, "moto knows the quotas of VPC only"
    assert found["vCPUs, on-demand, standard"].short > 0
    assert found["subnets in a VPC"].short == 0
    assert found["subnets in a VPC"].from_account


def test_what_others_use_counts_and_what_the_deployment_has_does_not(region: str) -> None:
    deployment = load("demo")
    ec2: Any = boto3.client("ec2", region_name=region)
    before = rows(deployment, region)
    own = [{"Key": "c4:deployment", "Value": "demo"}]
    others = [{"Key": "c4:deployment", "Value": "demo2"}]
    for tags in (own, others, others):
        address = ec2.allocate_address(Domain="vpc")
        ec2.create_tags(Resources=[address["AllocationId"]], Tags=tags)
        vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        ec2.create_tags(Resources=[vpc], Tags=tags)
    image = ec2.describe_images(Owners=["amazon"])["Images"][0]["ImageId"]
    for tags in (own, others):
        ec2.run_instances(
            ImageId=image,
            MinCount=1,
            MaxCount=1,
            InstanceType="c6i.xlarge",
            TagSpecifications=[{"ResourceType": "instance", "Tags": tags}],
        )
    after = rows(deployment, region)

    def more(title: str) -> int:
        return after[title].used_by_others - before[title].used_by_others

    assert more("Elastic IPs") == 2
    assert more("VPCs") == 2
    assert more("vCPUs, on-demand, standard") == 4


def test_roles_databases_groups_and_checks_of_others_are_counted(region: str) -> None:
    deployment = load("production.example")
    iam, route53 = boto3.client("iam"), boto3.client("route53")
    for name in ("c4-prod-acme-sbc", "c4-prod2-acme-sbc", "admin"):
        iam.create_role(RoleName=name, AssumeRolePolicyDocument="{}")
    for number, owner in enumerate(["prod", "other"]):
        check = route53.create_health_check(
            CallerReference=str(number),
            HealthCheckConfig={"Type": "TCP", "IPAddress": "203.0.113.1", "Port": 443},
        )
        route53.change_tags_for_resource(
            ResourceType="healthcheck",
            ResourceId=check["HealthCheck"]["Id"],
            AddTags=[{"Key": "c4:deployment", "Value": owner}],
        )
    found = rows(deployment, region)
    assert found["IAM roles"].used_by_others == 2
    assert found["Route 53 health checks"].used_by_others == 1


def test_a_quota_is_short_when_others_leave_too_little() -> None:
    quota: dict[str, Any] = {
        "title": "x",
        "service": "ec2",
        "code": "L-1",
        "from_account": True,
        "why": "",
    }
    row = report.Row(needed=3, used_by_others=3, allowed=5, **quota)
    assert row.short == 1
    assert report.Row(needed=2, used_by_others=3, allowed=5, **quota).short == 0


def test_every_quota_that_is_counted_can_be_counted() -> None:
    for need in needs(load("production.example"), VCPUS):
        if need.quota.counted is not None:
            assert callable(getattr(Account, f"_{need.quota.counted}")), need.quota


def test_codes_are_those_of_the_documents(region: str) -> None:
    """moto's copy of VPC's list has the codes with their names and defaults."""
    listed = boto3.client("service-quotas").list_aws_default_service_quotas(ServiceCode="vpc")
    known = {quota["QuotaCode"]: quota["Value"] for quota in listed["Quotas"]}
    checked = 0
    for need in needs(load("demo"), VCPUS):
        quota: Quota = need.quota
        if quota.service == "vpc":
            assert quota.code in known, quota
            checked += 1
    assert checked >= 8


def test_json_says_what_is_short(region: str) -> None:
    made = report.compare(load("demo"), Account(region, "demo"))
    data = json.loads(json.dumps(made.as_json()))
    assert data["enough"] is False
    assert {q["title"] for q in data["quotas"] if q["short"]} >= {"Elastic IPs"}
    assert data["unknown_types"] == []
