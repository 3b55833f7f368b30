"""Claim of an Elastic IP from the pool of the instance's tier."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from agent import aws, log
from agent.errors import AgentError

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_ec2.type_defs import AddressTypeDef


class NoFreeAddress(AgentError):
    """Every address of the pool belongs to another instance at this moment."""


def claim(ec2: EC2Client, tags: dict[str, str], instance_id: str) -> IPv4Address:
    """The instance's Elastic IP out of those with all `tags`; associates one if it has none.

    Two instances never end with the same address: EC2 refuses to take an associated one
    away, and the search goes on. Raises `AgentError`; repeat it.
    """
    with aws.one_line("claim of an Elastic IP"):
        pool = _pool(ec2, tags)
        own = _own(pool, instance_id)
        if own is None:
            _associate_one(ec2, pool, instance_id)
            own = _own(_pool(ec2, tags), instance_id)  # believe only what EC2 tells everybody
    if own is None:
        raise AgentError(f"claim of an Elastic IP: EC2 does not show it at {instance_id} yet")
    return own


def addresses(ec2: EC2Client, tags: dict[str, str]) -> set[IPv4Address]:
    """All addresses of the pool with all `tags`, in use or not."""
    return {IPv4Address(address["PublicIp"]) for address in _pool(ec2, tags)}


def _pool(ec2: EC2Client, tags: dict[str, str]) -> list[AddressTypeDef]:
    filters = [{"Name": f"tag:{key}", "Values": [value]} for key, value in tags.items()]
    addresses = ec2.describe_addresses(Filters=filters)["Addresses"]  # type: ignore[arg-type]
    return sorted(addresses, key=lambda a: a["AllocationId"])


def _own(pool: list[AddressTypeDef], instance_id: str) -> IPv4Address | None:
    for address in pool:
        if address.get("InstanceId") == instance_id:
            return IPv4Address(address["PublicIp"])
    return None


def _associate_one(ec2: EC2Client, pool: list[AddressTypeDef], instance_id: str) -> None:
    from botocore.exceptions import ClientError

    # The first free one of the pool: that of an SBC that died, whose calls go on at its address.
    # Any other choice would take addresses that nobody has ever called.
    free = [a for a in pool if not a.get("AssociationId") and not a.get("InstanceId")]
    for address in free:
        try:
            ec2.associate_address(
                AllocationId=address["AllocationId"],
                InstanceId=instance_id,
                AllowReassociation=False,
            )
        except ClientError as error:
            if aws.code(error) != "Resource.AlreadyAssociated":
                raise
            log.info("Elastic IP taken by another instance", address=address["PublicIp"])
        else:
            return
    raise NoFreeAddress(f"no free Elastic IP among {len(pool)} of the tier")
