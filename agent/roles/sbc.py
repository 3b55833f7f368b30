"""Tasks of an SBC: its certificate, and the public addresses of its tier."""

from __future__ import annotations

from agent import log
from agent.instance import Instance
from agent.kamailio import certificate, kamcmd, tier_addresses
from agent.kamailio.kamcmd import RpcFailed
from agent.roles.call_tier import kamailio_tasks, metric_task
from agent.scheduler import Task

CERTIFICATE_INTERVAL_S = 300.0
ADDRESSES_INTERVAL_S = 60.0


def tasks(instance: Instance) -> list[Task]:
    """Kamailio's tasks, the metric, renewed certificates, and changed addresses of the tier."""
    return [
        *kamailio_tasks(),
        metric_task(instance),
        Task(CERTIFICATE_INTERVAL_S, Certificate(instance).run),
        Task(ADDRESSES_INTERVAL_S, TierAddresses(instance).run),
    ]


class Certificate:
    """Gives Kamailio a renewed certificate without a restart."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self._renewed = False

    def run(self) -> None:
        instance = self._instance
        self._renewed = certificate.refresh(instance.config, instance.facts) or self._renewed
        if not self._renewed:
            return
        try:
            log.info("certificate renewed", reply=kamcmd.rpc(certificate.RELOAD))
            self._renewed = False
        except RpcFailed as error:
            log.warning("certificate not reloaded", error=error)


class TierAddresses:
    """Gives Kamailio the tier's public addresses when they have changed."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self._changed = False

    def run(self) -> None:
        self._changed = tier_addresses.refresh(self._instance.config) or self._changed
        if not self._changed:
            return
        try:
            kamcmd.rpc(tier_addresses.RELOAD)
            log.info("addresses of the tier changed")
            self._changed = False
        except RpcFailed as error:
            log.warning("addresses of the tier not reloaded", error=error)
