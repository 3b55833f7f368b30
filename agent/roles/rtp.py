"""Tasks of an rtpengine's instance."""

from __future__ import annotations

from agent.instance import Instance
from agent.roles.call_tier import metric_task
from agent.scheduler import Task


def tasks(instance: Instance) -> list[Task]:
    """Only the metric of its calls; rtpengine needs nothing else."""
    return [metric_task(instance)]
