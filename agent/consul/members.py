"""Members of Consul's gossip: remove terminated instances, and rejoin those that it lost."""

from __future__ import annotations

import datetime
import random
import re
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from agent import log
from agent.aws.ec2_instances import GONE, instances
from agent.consul.local import as_agent_error

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

ALIVE_MEMBER = 1  # serf
GONE_MEMBER = (3, 4)  # serf: left, failed
MOST_AT_ONCE = 100  # values of one filter; the rest waits for the next round
TIME_TO_JOIN = datetime.timedelta(seconds=60)  # an instance that boots joins by itself
_INSTANCE_ID = re.compile(r"i-[0-9a-f]+$")


def alive(api: Any) -> frozenset[str]:
    """Instances whose Consul agent is alive according to gossip. Raises `AgentError`."""
    with as_agent_error("members"):
        names = [m["Name"] for m in api.agent.members() if m["Status"] == ALIVE_MEMBER]
    return frozenset(found.group() for found in map(_INSTANCE_ID.search, names) if found)


def remove_terminated(api: Any, ec2: EC2Client) -> None:
    """Remove members whose instance EC2 has terminated. Raises `AgentError`.

    Consul alone keeps a dead member for hours, in case it comes back.
    """
    with as_agent_error("members"):
        gone = [m["Name"] for m in api.agent.members() if m["Status"] in GONE_MEMBER]
    known = ((_INSTANCE_ID.search(name), name) for name in sorted(gone)[:MOST_AT_ONCE])
    nodes = {found.group(): name for found, name in known if found}
    if not nodes:
        return
    for instance_id in sorted(nodes.keys() - _alive(ec2, nodes)):
        with as_agent_error("removal of a member"):
            api.agent.force_leave(nodes[instance_id], prune=True)
        log.info("member removed", node=nodes[instance_id])


def _alive(ec2: EC2Client, instance_ids: Collection[str]) -> set[str]:
    """Those of the instances that EC2 has not terminated."""
    found = instances(ec2, "look-up of instances", {"instance-id": sorted(instance_ids)})
    return {i["InstanceId"] for i in found if i["State"]["Name"] not in GONE}


def rejoin_lost(api: Any, ec2: EC2Client, tags: Mapping[str, str]) -> None:
    """Join one instance that runs but is not a member. Raises `AgentError`.

    Agents look for servers only when they start. When all servers were replaced at once, the
    agents still reach each other, but they do not learn of the new servers. Joining one of them
    joins them all.
    """
    known = alive(api)
    lost = {i: address for i, address in _running(ec2, tags).items() if i not in known}
    if lost:
        instance_id = random.choice(sorted(lost))  # some may be out of reach
        with as_agent_error(f"joining {instance_id}, one of {len(lost)} that are not members"):
            api.agent.join(lost[instance_id])
        log.info("member rejoined", instance_id=instance_id)


def _running(ec2: EC2Client, tags: Mapping[str, str]) -> dict[str, str]:
    """Address of each running instance that has had time to join."""
    wanted = {f"tag:{key}": [value] for key, value in tags.items()}
    wanted["instance-state-name"] = ["running"]
    latest = datetime.datetime.now(datetime.UTC) - TIME_TO_JOIN
    return {
        instance["InstanceId"]: instance["PrivateIpAddress"]
        for instance in instances(ec2, "look-up of members", wanted)
        if instance["LaunchTime"] < latest
    }
