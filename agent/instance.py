"""The running instance, as the tasks of its role see it."""

from __future__ import annotations

from dataclasses import dataclass

from agent.aws import clients
from agent.aws.imds import Imds
from agent.aws.lifecycle_hooks import Hooks
from agent.checks import health
from agent.checks.health import Probe
from agent.config import Config
from agent.consul import service_discovery
from agent.consul.local import LocalConsul
from agent.consul.service_discovery import Plane
from agent.facts import Facts
from common import paths


@dataclass
class Instance:
    """Configuration, facts and neighbours of the instance, and where it is in its life."""

    config: Config
    facts: Facts
    imds: Imds
    consul: LocalConsul
    launched: bool = False  # its group has been told that it is in service
    draining: bool = False

    @property
    def in_service(self) -> bool:
        """True while the group and the operator want the service to run."""
        return self.launched and not self.draining and not paths.MAINTENANCE.exists()

    @property
    def address(self) -> str:
        """The private address."""
        return str(self.facts.private_ip)

    def hooks(self) -> Hooks:
        """The lifecycle hooks of the instance's group."""
        return Hooks(clients.client("autoscaling", self.config.region), self.config, self.facts)

    def own_probe(self) -> Probe | None:
        """The probe of the instance's own service; None on Consul servers."""
        return health.own_probe(self.config, self.facts)

    def plane(self) -> Plane:
        """The tenant's SIP plane, as Consul knows it now. Raises `AgentError`."""
        return service_discovery.of(self.consul, self.config.tags)
