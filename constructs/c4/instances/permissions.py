"""The permissions that instances need, each as narrow as IAM can say it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from c4.account import Account
from c4.instances.bundle import BundlePlace
from c4.policy import Statement
from common.names import TAG_HELD, metric_namespace


def every_instance(account: Account, *, group: str) -> list[Statement]:
    """Join Consul, and answer the lifecycle hooks of the own group."""
    return [
        Statement(
            sid="FindConsulServersByTag",
            actions=["ec2:DescribeInstances"],
            resources=["*"],  # EC2 knows no narrower resource for Describe calls
        ),
        Statement(
            sid="AnswerOwnGroup",
            actions=[
                "autoscaling:CompleteLifecycleAction",
                "autoscaling:RecordLifecycleActionHeartbeat",
            ],
            resources=[_group(account, group)],
        ),
    ]


def report_bad_health(account: Account, *, group: str) -> list[Statement]:
    """Have the own group replace an instance whose service fails its own check."""
    return [
        Statement(
            sid="ReportBadHealth",
            actions=["autoscaling:SetInstanceHealth"],
            resources=[_group(account, group)],
        )
    ]


def publish_metrics(deployment: str) -> list[Statement]:
    """Publish the number of active calls, by which the group scales."""
    return [
        Statement(
            sid="PublishMetrics",
            actions=["cloudwatch:PutMetricData"],
            resources=["*"],  # CloudWatch knows no resource here; the namespace narrows it
            where={"cloudwatch:namespace": metric_namespace(deployment)},
        )
    ]


def read_secrets(secrets: Sequence[str], *, key: str, account: Account) -> list[Statement]:
    """Read the values of these secrets (ARNs), encrypted by the deployment's key."""
    return [
        Statement(sid="ReadSecrets", actions=["secretsmanager:GetSecretValue"], resources=secrets),
        _use_key("DecryptSecrets", ["kms:Decrypt"], key, account),
    ]


def read_bundle(bundle: BundlePlace, *, account: Account) -> list[Statement]:
    """Read all versions of the object with the group's files."""
    return [
        Statement(
            sid="ReadOwnFiles",
            actions=["s3:GetObject", "s3:GetObjectVersion"],
            resources=[account.s3(bundle.bucket, bundle.object_key)],
        ),
        Statement(
            sid="FindOlderFiles",
            actions=["s3:ListBucketVersions"],
            resources=[account.s3(bundle.bucket)],
            where={"s3:prefix": bundle.object_key},
        ),
        _use_key("DecryptFiles", ["kms:Decrypt"], bundle.encryption_key, account, service="s3"),
    ]


def create_secret_values(secrets: Sequence[str], *, key: str, account: Account) -> list[Statement]:
    """Store the first value of these secrets (ARNs)."""
    return [
        Statement(
            sid="StoreFirstValues", actions=["secretsmanager:PutSecretValue"], resources=secrets
        ),
        _use_key("EncryptSecrets", ["kms:GenerateDataKey"], key, account),
    ]


def list_secrets() -> list[Statement]:
    """See which secrets exist, not what is in them: the Consul servers find their tenants."""
    return [
        Statement(
            sid="ListSecrets",
            actions=["secretsmanager:ListSecrets"],
            resources=["*"],  # Secrets Manager knows no resource for this call
        )
    ]


def claim_address(account: Account, *, tags: Mapping[str, str]) -> list[Statement]:
    """Associate an Elastic IP of the own pool; address, instance, interface carry `tags`."""
    return [
        Statement(
            sid="FindAddresses",
            actions=["ec2:DescribeAddresses"],
            resources=["*"],  # EC2 knows no narrower resource for Describe calls
        ),
        Statement(
            sid="ClaimAddress",
            actions=["ec2:AssociateAddress"],
            resources=[
                account.arn("ec2", "elastic-ip/*"),
                account.arn("ec2", "instance/*"),
                account.arn("ec2", "network-interface/*"),
            ],
            where={f"aws:ResourceTag/{key}": value for key, value in tags.items()},
        ),
        Statement(
            sid="MarkAddress",
            actions=["ec2:CreateTags", "ec2:DeleteTags"],
            resources=[account.arn("ec2", "elastic-ip/*")],
            where={f"aws:ResourceTag/{key}": value for key, value in tags.items()},
            where_all={"aws:TagKeys": [TAG_HELD]},
            # DeleteTags without a key deletes all tags, and "all keys" is true of none.
            present=["aws:TagKeys"],
        ),
    ]


def find_database(account: Account, *, identifier: str) -> list[Statement]:
    """Look the database up and read the master credentials that RDS manages for it.

    The credentials are found by the tag that RDS puts on them, not by ARN: roles and groups
    then do not wait until the database exists.
    """
    database = account.arn("rds", f"db:{identifier}")
    return [
        Statement(sid="FindDatabase", actions=["rds:DescribeDBInstances"], resources=[database]),
        Statement(
            sid="ReadDatabaseCredentials",
            actions=["secretsmanager:GetSecretValue"],
            resources=[account.arn("secretsmanager", "secret:rds!db-*")],
            where={"secretsmanager:ResourceTag/aws:rds:primaryDBInstanceArn": database},
        ),
    ]


def _group(account: Account, name: str) -> str:
    return account.arn("autoscaling", f"autoScalingGroup:*:autoScalingGroupName/{name}")


def _use_key(
    sid: str,
    actions: Sequence[str],
    key: str,
    account: Account,
    service: str = "secretsmanager",
) -> Statement:
    return Statement(
        sid=sid,
        actions=actions,
        resources=[key],
        where={"kms:ViaService": f"{service}.{account.region}.amazonaws.com"},
    )
