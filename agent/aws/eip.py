"""Claim an Elastic IP from the pool of the instance's tier."""

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
    """At this moment every address of the pool belongs to another instance."""


def claim(ec2: EC2Client, tags: dict[str, str], instance_id: str) -> IPv4Address:
    """The instance's Elastic IP among those with all `tags`; associates one if it has none.

    Two instances never end up with the same address: EC2 refuses to move an address that is
    associated already, and the search goes on. Raises `AgentError`; the caller repeats it.
    """
    with clients.as_agent_error("claim of an Elastic IP"):
        pool = _pool(ec2, tags)
        own = _own(pool, instance_id)
        if own is None:
            _associate_one(ec2, pool, instance_id)
            own = _own(_pool(ec2, tags), instance_id)  # what EC2 now shows to everybody
        if own is None:
            raise AgentError(f"claim of an Elastic IP: EC2 does not show it at {instance_id} yet")
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        ec2.create_tags(Resources=[own["AllocationId"]], Tags=[{"Key": TAG_HELD, "Value": now}])
    return IPv4Address(own["PublicIp"])


def unmark_held(ec2: EC2Client, tags: dict[str, str], instance_id: str) -> None:
    """Remove the `held` tag of a drained instance: no call goes on at its address any more.

    A successor therefore need not prefer this address. Raises `AgentError`.
    """
    with clients.as_agent_error("removal of an Elastic IP's tag"):
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
    """When its last holder took the address; "" if that holder drained, or if it had none."""
    found = {tag.get("Key"): tag.get("Value") for tag in address.get("Tags", [])}
    return found.get(TAG_HELD) or ""


def _associate_one(ec2: EC2Client, pool: list[AddressTypeDef], instance_id: str) -> None:
    from botocore.exceptions import ClientError

    # The address of an instance that died comes first, because its calls go on there. Among
    # addresses of drained instances, and unused ones, any will do.
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
