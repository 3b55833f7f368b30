"""The agent's daemon: answers health checks, runs the tasks of its role, and drains at the end."""

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
from agent.roles.every_role import ROUND_S

WATCH_S = 1.0  # a router must have left every list 5 s after the group has ended it
LIFECYCLE = "autoscaling/target-lifecycle-state"
SPOT = "spot/instance-action"
PURCHASE = "instance-life-cycle"


class Daemon:
    """Everything that runs during the instance's life, in threads that mostly sleep."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self._spot: bool | None = None

    def run(self) -> None:
        """Serve until the group ends the instance, and go on serving during the drain."""
        config = self._instance.config
        health.HealthServer(
            config.ports.agent, health.probes_of(config, self._instance.facts)
        ).start()
        # A task may wait for AWS, which must not delay the watch below.
        threading.Thread(target=self._run_tasks, name="tasks", daemon=True).start()
        while not self._stopping():
            time.sleep(WATCH_S)
        self.drain()  # if it breaks off, systemd starts the agent again, and the drain goes on
        threading.Event().wait()  # the machine is switched off at any moment

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
            active_calls=lambda: dialogs.calls_to_wait_for(config, instance.facts),
            unconfirmed_records=lambda: dialogs.unconfirmed_records(config),
            unmark_held=self._unmark_address,
        ).run()

    def _unmark_address(self) -> None:
        config = self._instance.config
        if config.public_address:
            ec2 = clients.client("ec2", config.region)
            eip.unmark_held(ec2, config.tags, self._instance.facts.instance_id)

    def _run_tasks(self) -> None:
        own = tasks(self._instance)
        while True:
            now = time.monotonic()
            for task in own:
                task.run(now)
            time.sleep(ROUND_S)

    def _stopping(self) -> bool:
        """True when the group ends this instance, or when EC2 takes back a spot instance."""
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
