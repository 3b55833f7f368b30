"""Recover a Consul cluster that has lost a majority of its servers for good.

A leader needs the votes of a majority of the servers that Raft knows. Once the group has replaced
that majority, there are never enough votes again, and no leader can add the new servers. Every
value that Consul holds is written again by its writer, so a surviving server may continue alone,
but only when no majority can exist elsewhere. `obstacle` has the conditions.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from consul.callback import CB

from agent import log
from agent.aws.ec2_instances import instances
from agent.consul.local import as_agent_error
from agent.consul.members import alive
from agent.files.atomic import write
from common import paths

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

TERMINATED = "terminated"  # not "shutting-down": such a server may still vote
BOOTED = ("pending", "running")


def node_id(instance_id: str) -> str:
    """Id of a server in Raft. It contains the instance id, which may be all that is known."""
    digits = instance_id.removeprefix("i-")
    return str(UUID(f"{len(digits):02x}{digits:0>30}"))


def instance_of(raft_id: str) -> str | None:
    """The instance id of a server in Raft; None when `node_id` did not make the Raft id."""
    try:
        digits = UUID(raft_id).hex
        length = int(digits[:2], 16)
        instance_id = "i-" + digits[2:][-length:]
        return instance_id if node_id(instance_id) == raft_id else None
    except ValueError:
        return None


@dataclass(frozen=True)
class View:
    """What a server without a leader knows of the others."""

    own: str  # instance id
    servers: Mapping[str, str]  # of the last Raft configuration: id in Raft -> address
    voters: frozenset[str]  # servers that may vote; a new one has to wait for some seconds
    states: Mapping[str, str]  # EC2 state of the servers' and of all the group's instances
    members: frozenset[str]  # instance ids of servers and agents that are alive in gossip


def obstacle(view: View) -> str | None:
    """Why the server must not continue alone; None when it must."""
    if node_id(view.own) not in view.servers:
        return "Raft does not know this server"
    instances = {raft_id: instance_of(raft_id) for raft_id in view.servers}
    if unknown := sorted(raft_id for raft_id, instance in instances.items() if instance is None):
        return f"the instance of {unknown} is not known"
    if view.own not in view.states:
        return "EC2 does not show this instance, so a missing one proves nothing"
    left = {
        r: i for r, i in instances.items() if i and view.states.get(i, TERMINATED) != TERMINATED
    }
    voters = sorted(instance for raft_id, instance in left.items() if raft_id in view.voters)
    if 2 * len(voters) > len(view.voters):
        return f"a majority may be alive: {voters}"
    first = voters[0] if voters else min(left.values())
    if first != view.own:
        return f"{first} decides"
    # A leader among them would have contacted this server by now.
    booted = {instance for instance, state in view.states.items() if state in BOOTED}
    if apart := sorted(booted - view.members - {view.own}):
        return f"no contact with {apart}"
    return None


def peers(view: View) -> str:
    """Raft's recovery file, with this server as the only one; it adds the others as leader."""
    own = node_id(view.own)
    return json.dumps([{"id": own, "address": view.servers[own], "non_voter": False}])


@dataclass
class Quorum:
    """Watches for a leader. After `limit_s` without one, it may have this server continue alone."""

    own: str
    tags: Mapping[str, str]  # of the group's instances
    api: Any  # consul.Consul with the management token
    ec2: Callable[[], EC2Client]
    limit_s: float
    recovery: Path = paths.RECOVERY
    clock: Callable[[], float] = time.monotonic
    _since: float | None = field(default=None, init=False)
    _said: str | None = field(default=None, init=False)

    def run(self) -> None:
        """Do one round. Raises `AgentError`."""
        with as_agent_error("leader"):
            leader = self.api.status.leader()
        now = self.clock()
        if leader:
            self._since, self._said = None, None
            return
        if self._since is None:
            self._since = now
        if now - self._since < self.limit_s:
            return
        view = self._look()
        reason = "no leader has added this server yet" if view is None else obstacle(view)
        if view is not None and reason is None:
            text = peers(view)
            log.warning("continuing alone: a majority of servers is terminated", peers=text)
            write(self.recovery, text)  # c4-quorum.path notices the file
            self._since = now  # Consul needs a moment to start
        elif reason != self._said:
            log.warning("no leader, but this server must not continue alone", reason=reason)
        self._said = reason

    def _look(self) -> View | None:
        """None on a server that does not know any other yet."""
        with as_agent_error("Raft configuration"):
            if not self.api.status.peers():
                return None
            # The server's own copy of the configuration; py-consul has no call for that.
            found = self.api.http.get(
                CB.json(allow_404=False),
                "/v1/operator/raft/configuration",
                params=[("stale", "")],
                headers=self.api.prepare_headers(),
            )
        servers = {s["ID"]: str(s["Address"]) for s in found["Servers"]}
        voters = frozenset(s["ID"] for s in found["Servers"] if s["Voter"])
        known = [i for i in map(instance_of, servers) if i is not None]
        states: dict[str, str] = {}
        for wanted in (
            {"instance-id": [self.own, *known]},
            {f"tag:{key}": [value] for key, value in self.tags.items()},
        ):
            found = instances(self.ec2(), "state of the servers", wanted)
            states |= {i["InstanceId"]: i["State"]["Name"] for i in found}
        return View(self.own, servers, voters, states, alive(self.api))
