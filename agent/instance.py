"""The running instance, as the tasks of its role use it."""

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
from agent.consul.service_discovery import HealthyInstances
from agent.facts import InstanceFacts
from common import paths


@dataclass
class Instance:
    """The instance's configuration, facts and clients, and the stage of its life."""

    config: Config
    facts: InstanceFacts
    imds: Imds
    consul: LocalConsul
    launched: bool = False  # the launch hook is completed, so the group counts the instance
    draining: bool = False

    @property
    def in_service(self) -> bool:
        """True while the instance is launched, and neither drains nor is in maintenance."""
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

    def healthy_instances(self) -> HealthyInstances:
        """The tenant's instances that pass their checks now. Raises `AgentError`."""
        return service_discovery.healthy_instances(self.consul, self.config.tags)
