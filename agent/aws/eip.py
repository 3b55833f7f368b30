"""Claim of an Elastic IP from the pool of the instance's tier."""

from __future__ import annotations

from datetime import UTC, datetime
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from agent import log
from agent.aws import clients
from agent.errors import AgentError
from common.names import TAG_HELD

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
    with clients.one_line("claim of an Elastic IP"):
        pool = _pool(ec2, tags)
        own = _own(pool, instance_id)
        if own is None:
            _associate_one(ec2, pool, instance_id)
            own = _own(_pool(ec2, tags), instance_id)  # believe only what EC2 tells everybody
        if own is None:
            raise AgentError(f"claim of an Elastic IP: EC2 does not show it at {instance_id} yet")
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        ec2.create_tags(Resources=[own["AllocationId"]], Tags=[{"Key": TAG_HELD, "Value": now}])
    return IPv4Address(own["PublicIp"])


def vacate(ec2: EC2Client, tags: dict[str, str], instance_id: str) -> None:
    """The instance leaves, and no call goes on at its address: nobody needs to take it over."""
    with clients.one_line("end of the claim of an Elastic IP"):
        own = _own(_pool(ec2, tags), instance_id)
        if own is not None:
            ec2.delete_tags(Resources=[own["AllocationId"]], Tags=[{"Key": TAG_HELD}])


def addresses(ec2: EC2Client, tags: dict[str, str]) -> set[IPv4Address]:
    """All addresses of the pool with all `tags`, in use or not."""
    return {IPv4Address(address["PublicIp"]) for address in _pool(ec2, tags)}


def _pool(ec2: EC2Client, tags: dict[str, str]) -> list[AddressTypeDef]:
    filters = [{"Name": f"tag:{key}", "Values": [value]} for key, value in tags.items()]
    addresses = ec2.describe_addresses(Filters=filters)["Addresses"]  # type: ignore[arg-type]
    return sorted(addresses, key=lambda a: a["AllocationId"])


def _own(pool: list[AddressTypeDef], instance_id: str) -> AddressTypeDef | None:
    return next((a for a in pool if a.get("InstanceId") == instance_id), None)


def _held(address: AddressTypeDef) -> str:
    """When an instance took it that has not drained; "" of an address that nobody left behind."""
    found = {tag.get("Key"): tag.get("Value") for tag in address.get("Tags", [])}
    return found.get(TAG_HELD) or ""


def _associate_one(ec2: EC2Client, pool: list[AddressTypeDef], instance_id: str) -> None:
    from botocore.exceptions import ClientError

    # First the address of an instance that died: its calls go on there. Those that an instance has
    # left after its drain, or that nobody ever had, are as good as each other.
    free = [a for a in pool if not a.get("AssociationId") and not a.get("InstanceId")]
    free.sort(key=_held, reverse=True)
    for address in free:
        try:
            ec2.associate_address(
                AllocationId=address["AllocationId"],
                InstanceId=instance_id,
                AllowReassociation=False,
            )
        except ClientError as error:
            if clients.code(error) != "Resource.AlreadyAssociated":
                raise
            log.info("Elastic IP taken by another instance", address=address["PublicIp"])
        else:
            return
    raise NoFreeAddress(f"no free Elastic IP among {len(pool)} of the tier")
