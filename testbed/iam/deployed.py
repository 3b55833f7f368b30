"""A synthesized deployment in the account of a `LocalApi`: what its roles' policies speak of.

Terraform would need minutes; this makes the same roles, secrets, addresses, groups and databases
by boto3, with the policies that Terraform would render.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from agent.bundle import Place
from common.names import bundle_key, files_bucket
from common.topology import CONSUL_SERVER, Tier
from lab.aws import views
from lab.names import ACCOUNT
from rendering.instance import agent_config, consul_server_config
from testbed.iam.local_api import REGION, LocalApi
from testbed.synthesized import Json, Synthesized

_TOKEN = re.compile(r"\$\{([^}]+)\}")
POLICY = "instance"
ROLES = (CONSUL_SERVER, *(tier.value for tier in Tier))
TENANT = "acme"
KEY = "data.terraform_remote_state.network_state.outputs.key_arn"
FILES = b"an older version"


def document(struct: Json, values: Mapping[str, str]) -> Json:
    """The policy that Terraform's `aws_iam_policy_document` renders."""
    return {
        "Version": "2012-10-17",
        "Statement": [_statement(statement, values) for statement in struct["statement"]],
    }


def _statement(struct: Json, values: Mapping[str, str]) -> Json:
    found: Json = {
        "Sid": struct["sid"],
        "Effect": struct["effect"],
        "Action": struct["actions"],
    }
    if "resources" in struct:
        found["Resource"] = [resolve(text, values) for text in struct["resources"]]
    for principal in struct.get("principals", ()):
        identifiers = [resolve(text, values) for text in principal["identifiers"]]
        found.setdefault("Principal", {})[principal["type"]] = identifiers
    for condition in struct.get("condition", ()):
        texts = [resolve(text, values) for text in condition["values"]]
        found.setdefault("Condition", {}).setdefault(condition["test"], {})[
            condition["variable"]
        ] = texts
    return found


def resolve(text: str, values: Mapping[str, str]) -> str:
    """`text` with Terraform's references replaced; an unknown one is an error."""

    def value(found: re.Match[str]) -> str:
        reference = found[1]
        if reference.startswith("data.aws_partition."):
            return "aws"
        if reference.startswith("data.aws_caller_identity."):
            return ACCOUNT
        return values[reference]

    return _TOKEN.sub(value, text)


@dataclass
class Deployed:
    """The deployment's roles, each with one instance, and their policies as in the account."""

    api: LocalApi
    synthesized: Synthesized
    instances: dict[str, str] = field(default_factory=dict)  # role -> instance id
    policies: dict[str, Json] = field(default_factory=dict)  # role -> document
    values: dict[str, str] = field(default_factory=dict)  # reference -> value

    def name(self, role: str) -> str:
        """Name of the role in IAM, which is that of its group."""
        group: str = self.config(role).group
        return group

    def config(self, role: str) -> Any:
        """What the agent is told on an instance of the role."""
        settings = self.synthesized.settings
        if role == CONSUL_SERVER:
            return consul_server_config(settings)
        (tenant,) = (t for t in settings.tenants if t.name == TENANT)
        return agent_config(settings, tenant, Tier(role), ())

    def place(self, role: str) -> Place:
        """Where the files of the role are: in a version that is not the newest."""
        owner = "consul" if role == CONSUL_SERVER else TENANT
        bucket = files_bucket(self.synthesized.settings.deployment, ACCOUNT)
        digest = hashlib.sha256(FILES).hexdigest()
        return Place(region=REGION, bucket=bucket, key=bundle_key(owner, role), sha256=digest)

    def view(self, role: str) -> views.InstanceView:
        found = views.by_id(self.instances[role])
        assert found is not None
        return found


def deploy(api: LocalApi, synthesized: Synthesized) -> Deployed:
    """Make everything; each group has one instance."""
    made = Deployed(api, synthesized)
    _key(made)
    _secrets(made)
    _files(made)
    subnet = _subnet(made)
    for role in ROLES:
        _role(made, role)
        _group(made, role, subnet)
    _addresses(made)
    _database(made)
    return made


def _documents(made: Deployed, stack: str) -> dict[str, Json]:
    data: Json = made.synthesized.stack(stack)["data"]
    found: dict[str, Json] = data["aws_iam_policy_document"]
    return found


def _key(made: Deployed) -> None:
    ((_, body),) = made.synthesized.resources("aws_kms_key", "network")
    reference = re.findall(r"aws_iam_policy_document\.(\w+)\.json", body["policy"])[0]
    policy = document(_documents(made, "network")[reference], made.values)
    key = made.api.deployer("kms").create_key(Policy=json.dumps(policy))["KeyMetadata"]["Arn"]
    made.values[KEY] = key


def _secrets(made: Deployed) -> None:
    client = made.api.deployer("secretsmanager")
    for stack in ("consul", TENANT):
        for where, body in made.synthesized.resources("aws_secretsmanager_secret", stack):
            id_ = where.partition("/")[2]
            arn = client.create_secret(
                Name=body["name"], KmsKeyId=resolve(body["kms_key_id"], made.values)
            )["ARN"]
            made.values[f"aws_secretsmanager_secret.{id_}.arn"] = arn
            if stack == "consul" and id_.startswith("agent_"):
                output = "data.terraform_remote_state.consul_state.outputs.agent_secret_arn"
                made.values[output] = arn


def _files(made: Deployed) -> None:
    """The bucket with the files of each role: one version, and an empty newer one."""
    s3 = made.api.deployer("s3")
    name = files_bucket(made.synthesized.settings.deployment, ACCOUNT)
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    encryption = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": made.values[KEY]}
    s3.put_bucket_encryption(
        Bucket=name,
        ServerSideEncryptionConfiguration={
            "Rules": [{"ApplyServerSideEncryptionByDefault": encryption}]
        },
    )
    made.values["data.terraform_remote_state.network_state.outputs.files_bucket"] = name
    for role in ROLES:
        place = made.place(role)
        for body in (FILES, b""):
            s3.put_object(Bucket=name, Key=place.key, Body=body)


def _subnet(made: Deployed) -> str:
    ec2 = made.api.deployer("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.50.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(
        VpcId=vpc, CidrBlock="10.50.1.0/24", AvailabilityZone=REGION + "a"
    )["Subnet"]  # fmt: skip
    return str(subnet["SubnetId"])


def _stack_and_prefix(role: str) -> tuple[str, str]:
    return ("consul", "role_") if role == CONSUL_SERVER else (TENANT, f"{role}_role_")


def _role(made: Deployed, role: str) -> None:
    stack, prefix = _stack_and_prefix(role)
    (struct,) = (
        body
        for id_, body in _documents(made, stack).items()
        if id_.startswith(f"{prefix}permissions_")
    )
    policy = made.policies[role] = document(struct, made.values)
    iam, name = made.api.deployer("iam"), made.name(role)
    iam.create_role(RoleName=name, AssumeRolePolicyDocument="{}")
    iam.put_role_policy(RoleName=name, PolicyName=POLICY, PolicyDocument=json.dumps(policy))
    iam.create_instance_profile(InstanceProfileName=name)
    iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=name)


def _tags(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def _group(made: Deployed, role: str, subnet: str) -> None:
    config = made.config(role)
    ec2, autoscaling = made.api.deployer("ec2"), made.api.deployer("autoscaling")
    template = ec2.create_launch_template(
        LaunchTemplateName=config.group,
        LaunchTemplateData={
            "ImageId": "ami-12c6146b",
            "InstanceType": "t3.small",
            "IamInstanceProfile": {"Name": config.group},
            "TagSpecifications": [
                {"ResourceType": "network-interface", "Tags": _tags(config.tags)},
            ],
        },
    )["LaunchTemplate"]["LaunchTemplateId"]
    autoscaling.create_auto_scaling_group(
        AutoScalingGroupName=config.group,
        MinSize=0,
        MaxSize=1,
        DesiredCapacity=1,
        VPCZoneIdentifier=subnet,
        LaunchTemplate={"LaunchTemplateId": template, "Version": "$Latest"},
        Tags=[{**tag, "PropagateAtLaunch": True} for tag in _tags(config.tags)],
        LifecycleHookSpecificationList=[
            {
                "LifecycleHookName": config.hook_launching,
                "LifecycleTransition": "autoscaling:EC2_INSTANCE_LAUNCHING",
                "HeartbeatTimeout": 600,
            }
        ],
    )
    (group,) = autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=[config.group])[
        "AutoScalingGroups"
    ]
    made.instances[role] = group["Instances"][0]["InstanceId"]


def _addresses(made: Deployed) -> None:
    ec2 = made.api.deployer("ec2")
    for tier in Tier:
        if tier.has_public_address:
            tags = _tags(made.config(tier).tags)
            ec2.allocate_address(
                Domain="vpc", TagSpecifications=[{"ResourceType": "elastic-ip", "Tags": tags}]
            )


def _database(made: Deployed) -> None:
    ((_, body),) = made.synthesized.resources("aws_db_instance", TENANT)
    made.api.deployer("rds").create_db_instance(
        DBInstanceIdentifier=body["identifier"],
        Engine="postgres",
        DBInstanceClass="db.t4g.small",
        AllocatedStorage=20,
        MasterUsername=body["username"],
        ManageMasterUserPassword=True,
    )
