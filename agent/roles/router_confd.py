"""Tasks of router-confd's instance."""

from __future__ import annotations

from agent.aws.router_confd import write_credentials
from agent.instance import Instance
from agent.scheduler import Task

CREDENTIALS_INTERVAL_S = 300.0


def tasks(instance: Instance) -> list[Task]:
    """The credentials of the database, which RDS rotates."""
    return [Task(CREDENTIALS_INTERVAL_S, lambda: write_credentials(instance.config))]
