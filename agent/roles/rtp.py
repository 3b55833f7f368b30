"""Tasks of an rtpengine's instance."""

from __future__ import annotations

from agent.instance import Instance
from agent.roles.call_tier import metric_task
from agent.scheduler import Task


def tasks(instance: Instance) -> list[Task]:
    """The metric of its calls; rtpengine needs no more."""
    return [metric_task(instance)]
