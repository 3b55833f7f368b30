"""What the agent does on Consul servers, on the leader's machine alone."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from agent import aws, log, paths
from agent.errors import AgentError
from agent.local_consul import one_line

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

    from agent.config import Config
    from agent.facts import Facts

GONE_MEMBER = (3, 4)  # serf: left, failed
GONE_INSTANCE = ("shutting-down", "terminated")
MOST_AT_ONCE = 100  # values of one filter; the rest is for the next round
_INSTANCE_ID = re.compile(r"i-[0-9a-f]+$")


def lead(config: Config, instance: Facts, api: Any) -> None:
    """One round of the leader's duties; nothing on the others. Raises `AgentError`."""
    if not leads(api, str(instance.private_ip)):
        return
    from agent.acl import AccessControl

    client = aws.client("secretsmanager", config.region)
    AccessControl(api, client, config.deployment, tokens()["operator"]).reconcile()
    forget_terminated(api, aws.client("ec2", config.region))


def tokens() -> dict[str, str]:
    """Values of the servers' tokens: `management`, `operator`. Raises `AgentError`."""
    try:
        found: dict[str, str] = json.loads(paths.CONSUL_TOKENS.read_text(encoding="utf-8"))
        return found
    except (OSError, ValueError) as error:
        raise AgentError(f"{paths.CONSUL_TOKENS}: {error}") from None


def leads(api: Any, address: str) -> bool:
    """True when the Consul server at `address` is the leader. Raises `AgentError`."""
    with one_line("leader"):
        return str(api.status.leader()).rpartition(":")[0] == address


def forget_terminated(api: Any, ec2: EC2Client) -> None:
    """Remove members whose instance EC2 has terminated. Raises `AgentError`.

    Consul alone keeps a dead member for hours, in the hope that it comes back.
    """
    with one_line("members"):
        gone = [m["Name"] for m in api.agent.members() if m["Status"] in GONE_MEMBER]
    known = ((_INSTANCE_ID.search(name), name) for name in sorted(gone)[:MOST_AT_ONCE])
    nodes = {found.group(): name for found, name in known if found}
    if not nodes:
        return
    for instance_id in sorted(nodes.keys() - _alive(ec2, nodes)):
        with one_line("removal of a member"):
            api.agent.force_leave(nodes[instance_id], prune=True)
        log.info("member removed", node=nodes[instance_id])


def _alive(ec2: EC2Client, instance_ids: dict[str, str]) -> set[str]:
    """Those of the instances that are not terminated; EC2 forgets terminated ones in an hour."""
    with aws.one_line("look-up of instances"):
        # A filter, because an unknown id as an argument is an error.
        found = ec2.describe_instances(
            Filters=[{"Name": "instance-id", "Values": sorted(instance_ids)}]
        )
        return {
            instance["InstanceId"]
            for reservation in found["Reservations"]
            for instance in reservation["Instances"]
            if instance["State"]["Name"] not in GONE_INSTANCE
        }
