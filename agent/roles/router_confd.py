"""Tasks of router-confd's instance."""

from __future__ import annotations

from agent import log
from agent.aws.router_confd import write_credentials
from agent.checks import probes
from agent.checks.probes import ProbeFailed
from agent.instance import Instance
from agent.scheduler import Task
from common.router_confd import LOGIN_REFUSED

CREDENTIALS_INTERVAL_S = 300.0
REFUSED_INTERVAL_S = 4.0


def tasks(instance: Instance) -> list[Task]:
    """The credentials of the database, which RDS rotates: regularly, and when they are refused."""
    return [
        Task(CREDENTIALS_INTERVAL_S, lambda: write_credentials(instance.config)),
        Task(REFUSED_INTERVAL_S, RefusedLogin(instance).run),
    ]


class RefusedLogin:
    """Reads the secret again while router-confd says that the database refuses its login."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance

    def run(self) -> None:
        instance = self._instance
        try:
            value = probes.metric(
                instance.address, instance.config.ports.confd_kamailio, "/metrics", LOGIN_REFUSED
            )
        except ProbeFailed:
            return  # router-confd does not run; its health check reports that
        if value:
            log.info("the database refuses router-confd's login, reading the secret again")
            write_credentials(instance.config)
