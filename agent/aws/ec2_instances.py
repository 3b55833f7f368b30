"""Look-up of instances in EC2."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from agent.aws import clients

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_ec2.type_defs import FilterTypeDef, InstanceTypeDef

GONE = ("shutting-down", "terminated")


def instances(
    ec2: EC2Client, what: str, wanted: Mapping[str, Iterable[str]]
) -> Iterator[InstanceTypeDef]:
    """Every instance that matches all filters of DescribeInstances in `wanted`.

    Raises `AgentError`, which names `what`. EC2 forgets an instance an hour after its end.
    """
    # Ids are given as filters too, because an unknown id as an argument is an error.
    filters: list[FilterTypeDef] = [{"Name": k, "Values": list(v)} for k, v in wanted.items()]
    with clients.as_agent_error(what):
        for page in ec2.get_paginator("describe_instances").paginate(Filters=filters):
            for reservation in page["Reservations"]:
                yield from reservation["Instances"]
