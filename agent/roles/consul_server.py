"""Tasks of a Consul server: the leader's duties, and the recovery of a lost majority."""

from __future__ import annotations

from agent.aws import clients
from agent.consul import leader
from agent.consul.quorum import Quorum
from agent.instance import Instance
from agent.scheduler import Task

SERVER_INTERVAL_S = 5.0


def tasks(instance: Instance) -> list[Task]:
    """The duties of the leader for the deployment, and of each server for itself."""
    config = instance.config
    assert config.recover_after_s is not None
    quorum = Quorum(
        own=instance.facts.instance_id,
        tags=config.tags,
        api=instance.consul.api,
        ec2=lambda: clients.client("ec2", config.region),
        limit_s=config.recover_after_s,
    )
    return [
        Task(SERVER_INTERVAL_S, lambda: leader.lead(config, instance.facts, instance.consul.api)),
        Task(SERVER_INTERVAL_S, quorum.run),
    ]
