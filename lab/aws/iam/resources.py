"""What moto knows of the resources of a call: ARNs, tags, keys and policies.

All functions need the lock `views.MOTO`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from lab.aws import views
from lab.names import ACCOUNT

AWS_OWNED: Final = "alias/aws/"  # keys of AWS's services: whoever may use the service may use them

Tags = dict[str, str]


def arn(service: str, region: str, resource: str) -> str:
    return f"arn:aws:{service}:{region}:{ACCOUNT}:{resource}"


def tags(listed: Iterable[Mapping[str, Any]] | None) -> Tags:
    """Tags out of the list that AWS's API returns."""
    return {str(t["Key"]): str(t.get("Value") or "") for t in listed or ()}


def _backend(service: str, region: str) -> Any:
    """The backend of a region, or None where the service was never used."""
    return dict(views.backends(service)).get(region)


def ec2_tags(region: str, resource: str) -> Tags:
    """Tags of an instance, an address, an interface: of whatever EC2 has by that id."""
    ec2 = _backend("ec2", region)
    return dict(ec2.tags.get(resource, {})) if ec2 is not None else {}


def interface_of(region: str, instance_id: str) -> str | None:
    """Id of the instance's first network interface."""
    ec2 = _backend("ec2", region)
    for instance in ec2.all_instances() if ec2 is not None else ():
        if instance.id == instance_id and instance.nics:
            return str(instance.nics[0].id)
    return None


def group(region: str, name: str = "", instance_id: str = "") -> tuple[str, Tags]:
    """ARN and tags of the autoscaling group with that name, or with that instance."""
    backend = _backend("autoscaling", region)
    for found in backend.autoscaling_groups.values() if backend is not None else ():
        inside = any(state.instance.id == instance_id for state in found.instance_states)
        if found.name == name or (not name and inside):
            return str(found.arn), tags(found.tags)
    unknown = f"autoScalingGroup:*:autoScalingGroupName/{name or '*'}"
    return arn("autoscaling", region, unknown), {}


def database(region: str, identifier: str) -> tuple[str, Tags]:
    """ARN and tags of a database instance; of all when the identifier is empty."""
    backend = _backend("rds", region)
    for found in backend.databases.values() if backend is not None else ():
        if found.db_instance_identifier == identifier:
            return str(found.arn), tags(found.tags)
    return arn("rds", region, f"db:{identifier or '*'}"), {}


@dataclass(frozen=True)
class Secret:
    """A secret, or only the name of one that does not exist."""

    arn: str
    tags: Tags
    key: str | None = None  # ARN of the account's own key that encrypts it
    policy: str | None = None
    has_value: bool = False


def secret(region: str, identifier: str) -> Secret:
    """The secret with that name or ARN.

    One that does not exist is judged by its bare name, without the six characters at the end of a
    secret's ARN. Patterns that end with them do not match it, so AWS answers AccessDenied.
    """
    backend = _backend("secretsmanager", region)
    found = backend.secrets.get(identifier) if backend is not None else None
    if found is None:
        missing = arn("secretsmanager", region, f"secret:{identifier}")
        return Secret(identifier if identifier.startswith("arn:") else missing, {})
    return Secret(
        arn=str(found.arn),
        tags=tags(found.tags),
        key=key_arn(region, found.kms_key_id),
        policy=found.policy,
        has_value=bool(found.versions),
    )


def key_arn(region: str, key: str | None) -> str | None:
    """ARN of a key of the account's own; None for a key of AWS's services, or for none."""
    backend = _backend("kms", region)
    if not key or AWS_OWNED in key or backend is None:
        return None
    name = backend.any_id_to_key_id(key)
    found = backend.keys.get(name)
    return str(found.arn) if found is not None else arn("kms", region, f"key/{name}")


def key_policy(region: str, key: str) -> str:
    """The policy of the key with that ARN; one that allows nothing when there is no such key."""
    backend = _backend("kms", region)
    found = backend.keys.get(backend.get_key_id(key)) if backend is not None else None
    return str(found.policy) if found is not None else json.dumps({"Statement": []})


@dataclass(frozen=True)
class Bucket:
    policy: str | None
    key: str | None  # ARN of the account's own key that encrypts new objects


def bucket(region: str, name: str) -> Bucket:
    for _, s3 in views.backends("s3"):
        found = s3.buckets.get(name)
        if found is not None:
            return Bucket(
                found.policy.decode() if found.policy else None,
                key_arn(region, _default_key(found.encryption)),
            )
    return Bucket(None, None)


def object_key(region: str, bucket_name: str, key: str) -> str | None:
    """ARN of the account's own key that encrypts an object."""
    for _, s3 in views.backends("s3"):
        found = s3.buckets.get(bucket_name)
        stored = found.keys.get(key) if found is not None else None
        if stored is not None and stored.encryption == "aws:kms":
            return key_arn(region, stored.kms_key_id)
    return None


def _default_key(encryption: Any) -> str | None:
    rule = (encryption or {}).get("Rule", {})
    rules = rule if isinstance(rule, list) else [rule]
    for one in rules:
        default = one.get("ApplyServerSideEncryptionByDefault", {})
        if default.get("KMSMasterKeyID"):
            return str(default["KMSMasterKeyID"])
    return None


def endpoint_policy(region: str, vpc: str, service: str) -> str | None:
    """The policy of the VPC's endpoint of a service (as in DNS names); None without endpoint."""
    ec2 = _backend("ec2", region)
    name = f"com.amazonaws.{region}.{service}"
    for endpoint in ec2.vpc_end_points.values() if ec2 is not None else ():
        here = endpoint.vpc_id == vpc and endpoint.state == "available"
        if here and endpoint.service_name == name:
            return str(endpoint.policy_document)
    return None


@dataclass(frozen=True)
class Role:
    """A role with the policies that decide what its sessions may do: (name, text)."""

    name: str
    id: str
    tags: Tags
    policies: tuple[tuple[str, str], ...]
    boundary: tuple[str, str] | None


def role_of_profile(profile: str) -> Role | None:
    """The role in the instance profile with that name."""
    for _, iam in views.backends("iam"):
        for found in iam.instance_profiles.values():
            if found.name == profile and found.roles:
                return _role(iam, found.roles[0])
    return None


def _role(iam: Any, role: Any) -> Role:
    attached = [(policy.name, _document(policy)) for policy in role.managed_policies.values()]
    boundary = role.permissions_boundary_arn
    return Role(
        name=role.name,
        id=role.id,
        tags=tags(role.tags if isinstance(role.tags, list) else []),
        policies=(*role.policies.items(), *attached),
        boundary=(
            (boundary.rpartition("/")[2], _document(iam.managed_policies[boundary]))
            if boundary
            else None
        ),
    )


def _document(policy: Any) -> str:
    """The version of a managed policy that is in force."""
    for version in policy.versions:
        if version.version_id == policy.default_version_id:
            return str(version.document)
    raise LookupError(f"managed policy {policy.name} has no default version")
