"""Which permissions a call takes: actions, resources, and the condition keys of the resource.

The table follows AWS's Service Authorization Reference. It has every call that an instance makes;
one that is not in it is denied, so that a new call is noticed and gets its line here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from lab.aws.iam import resources
from lab.aws.iam.calls import Call
from lab.aws.iam.resources import Tags, arn

Values = Mapping[str, str | tuple[str, ...]]


@dataclass(frozen=True)
class Need:
    """One permission that a call takes. A service that asks on the caller's behalf is `via`."""

    action: str
    resource: str = "*"
    keys: Values = field(default_factory=dict)
    policy: str | None = None  # of the resource
    via: str = ""  # the service's name in `kms:ViaService`

    @property
    def of_key(self) -> bool:
        """Whether a KMS key is asked for, whose policy must allow the use."""
        return self.action.startswith("kms:")


def _tagged(service: str, found: Tags) -> dict[str, str | tuple[str, ...]]:
    """Keys with a resource's tags: `aws:ResourceTag/KEY`, and the service's own name for them."""
    return {
        f"{prefix}:ResourceTag/{key}": value
        for prefix in ("aws", service)
        for key, value in found.items()
    }


def _anything(call: Call) -> Iterator[Need]:
    """A call without a resource, like EC2's Describe calls."""
    yield Need(call.action)


def _nothing(_call: Call) -> Iterator[Need]:
    """A call that needs no permission, and that no policy can deny."""
    yield from ()


def _ec2(call: Call, kind: str, identifier: str, keys: Values) -> Need:
    """A need on one resource of EC2."""
    tagged = _tagged("ec2", resources.ec2_tags(call.region, identifier))
    resource = arn("ec2", call.region, f"{kind}/{identifier}")
    return Need(call.action, resource, {**tagged, **keys})


def _associate_address(call: Call) -> Iterator[Need]:
    """The address, the instance and its interface. All of them must be allowed."""
    instance = call.text("InstanceId")
    yield _ec2(call, "elastic-ip", call.text("AllocationId"), {})
    if instance:
        yield _ec2(call, "instance", instance, {"ec2:InstanceID": instance})
    interface = call.text("NetworkInterfaceId") or resources.interface_of(call.region, instance)
    if interface:
        yield _ec2(call, "network-interface", interface, {})


# Kinds of EC2's resources by the beginning of their ids
EC2_KINDS: Final = {
    "eipalloc": "elastic-ip",
    "eni": "network-interface",
    "i": "instance",
    "vol": "volume",
}


def _ec2_tags(call: Call) -> Iterator[Need]:
    """The tag keys of the request; a request without any deletes all tags, and has no such key."""
    given = call.tags()
    keys: dict[str, str | tuple[str, ...]] = {
        f"aws:RequestTag/{key}": value for key, value in given.items() if value is not None
    }
    if given:
        keys["aws:TagKeys"] = tuple(given)
    for identifier in call.listed("ResourceId"):
        beginning = identifier.partition("-")[0]
        yield _ec2(call, EC2_KINDS.get(beginning, beginning), identifier, keys)


def _group(call: Call) -> Iterator[Need]:
    found, tags = resources.group(
        call.region, call.text("AutoScalingGroupName"), call.text("InstanceId")
    )
    yield Need(call.action, found, _tagged("autoscaling", tags))


def _metric(call: Call) -> Iterator[Need]:
    yield Need(call.action, keys={"cloudwatch:namespace": call.text("Namespace")})


def _database(call: Call) -> Iterator[Need]:
    found, tags = resources.database(call.region, call.text("DBInstanceIdentifier"))
    named = {f"rds:db-tag/{key}": value for key, value in tags.items()}
    yield Need(call.action, found, _tagged("rds", tags) | named)


def _secret(call: Call, *of_key: str) -> Iterator[Need]:
    """A secret; and the key that encrypts it, which Secrets Manager uses for the caller."""
    identifier = call.text("SecretId")
    found = resources.secret(call.region, identifier)
    keys = _tagged("secretsmanager", found.tags) | {"secretsmanager:SecretId": identifier}
    for name in ("VersionId", "VersionStage"):
        if call.text(name):
            keys[f"secretsmanager:{name}"] = call.text(name)
    yield Need(call.action, found.arn, keys, found.policy)
    if found.key is None:
        return
    encrypted: Values = {
        "kms:EncryptionContext:SecretARN": found.arn,
        "kms:EncryptionContextKeys": ("SecretARN", "SecretVersionId"),
    }
    for action in of_key:
        yield _key(action, call.region, found.key, "secretsmanager", encrypted)


def _key(action: str, region: str, key: str, service: str, keys: Values) -> Need:
    via = f"{service}.{region}.amazonaws.com"
    policy = resources.key_policy(region, key)
    return Need(action, key, {"kms:ViaService": via, **keys}, policy, via)


def _read_secret(call: Call) -> Iterator[Need]:
    """Without a value there is nothing to decrypt: the answer is ResourceNotFound."""
    has_value = resources.secret(call.region, call.text("SecretId")).has_value
    yield from _secret(call, *(["kms:Decrypt"] if has_value else []))


def _write_secret(call: Call) -> Iterator[Need]:
    yield from _secret(call, "kms:GenerateDataKey", "kms:Decrypt")


def _object(action: str, of_key: str) -> Callable[[Call], Iterator[Need]]:
    def needs(call: Call) -> Iterator[Need]:
        bucket, name = call.text("Bucket"), call.text("Key")
        found = resources.bucket(call.region, bucket)
        resource = f"arn:aws:s3:::{bucket}/{name}"
        version = call.text("VersionId")
        keys = {"s3:VersionId": version} if version else {}
        yield Need(f"{action}{'Version' if version else ''}", resource, keys, found.policy)
        key = found.key
        if of_key == "kms:Decrypt":
            key = resources.object_key(call.region, bucket, name)
        if key is not None:
            yield _key(
                of_key, call.region, key, "s3", {"kms:EncryptionContext:aws:s3:arn": resource}
            )

    return needs


def _bucket(action: str) -> Callable[[Call], Iterator[Need]]:
    def needs(call: Call) -> Iterator[Need]:
        bucket = call.text("Bucket")
        policy = resources.bucket(call.region, bucket).policy
        keys = {"s3:prefix": call.text("Prefix")} if "Prefix" in call.parameters else {}
        yield Need(action, f"arn:aws:s3:::{bucket}", keys, policy)

    return needs


NEEDS: Final[Mapping[str, Callable[[Call], Iterator[Need]]]] = {
    "autoscaling:CompleteLifecycleAction": _group,
    "autoscaling:RecordLifecycleActionHeartbeat": _group,
    "autoscaling:SetInstanceHealth": _group,
    "cloudwatch:PutMetricData": _metric,
    "ec2:AssociateAddress": _associate_address,
    "ec2:CreateTags": _ec2_tags,
    "ec2:DeleteTags": _ec2_tags,
    "ec2:DescribeAddresses": _anything,
    "ec2:DescribeInstances": _anything,
    "rds:DescribeDBInstances": _database,
    "s3:GetObject": _object("s3:GetObject", "kms:Decrypt"),
    "s3:HeadObject": _object("s3:GetObject", "kms:Decrypt"),
    "s3:ListObjectVersions": _bucket("s3:ListBucketVersions"),
    "s3:ListObjectsV2": _bucket("s3:ListBucket"),
    "s3:PutObject": _object("s3:PutObject", "kms:GenerateDataKey"),
    "secretsmanager:DescribeSecret": _secret,
    "secretsmanager:GetSecretValue": _read_secret,
    "secretsmanager:ListSecrets": _anything,
    "secretsmanager:PutSecretValue": _write_secret,
    "sts:GetCallerIdentity": _nothing,
}
