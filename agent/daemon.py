"""The agent's daemon: it answers health checks, runs its role's tasks, and drains at the end."""

from __future__ import annotations

import threading
import time

from agent import log
from agent.aws import clients, eip
from agent.checks import health
from agent.drain import Drain
from agent.errors import AgentError
from agent.instance import Instance
from agent.kamailio import dialogs
from agent.roles import tasks

TICK_S = 2.0
WATCH_S = 1.0  # a router must have left every list 5 s after the group's wish
LIFECYCLE = "autoscaling/target-lifecycle-state"
SPOT = "spot/instance-action"
PURCHASE = "instance-life-cycle"


class Daemon:
    """Everything that is done while the instance lives, in threads that mostly sleep."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self._spot: bool | None = None

    def run(self) -> None:
        """Serve until the group wants the instance to stop; serve on while it drains."""
        config = self._instance.config
        health.HealthServer(
            config.ports.agent, health.probes_of(config, self._instance.facts)
        ).start()
        # A task may wait for AWS; the group's wish is seen in time all the same.
        threading.Thread(target=self._tick, name="tasks", daemon=True).start()
        while not self._stopping():
            time.sleep(WATCH_S)
        self.drain()  # should it break off, systemd starts us again, and we go on
        threading.Event().wait()  # the machine is switched off any moment

    def drain(self) -> None:
        """Drain the instance and complete the terminating hook."""
        instance = self._instance
        instance.draining = True
        config = instance.config
        Drain(
            consul=instance.consul,
            hooks=instance.hooks(),
            hook=config.hook_terminating,
            limit_s=config.drain_s,
            active_calls=lambda: dialogs.bound(config, instance.facts),
            unsent_records=lambda: dialogs.unsent(config),
            vacate=self._vacate,
        ).run()

    def _vacate(self) -> None:
        config = self._instance.config
        if config.public_address:
            ec2 = clients.client("ec2", config.region)
            eip.vacate(ec2, config.tags, self._instance.facts.instance_id)

    def _tick(self) -> None:
        own = tasks(self._instance)
        while True:
            now = time.monotonic()
            for task in own:
                task.run(now)
            time.sleep(TICK_S)

    def _stopping(self) -> bool:
        """True when the group, or the end of a spot instance, wants this instance gone."""
        imds = self._instance.imds
        try:
            if imds.get(LIFECYCLE) == "Terminated":
                return True
            if self._spot is None:
                self._spot = imds.get(PURCHASE) == "spot"
            return self._spot and imds.get(SPOT) is not None
        except AgentError as error:
            log.warning("metadata", error=error)
            return False
