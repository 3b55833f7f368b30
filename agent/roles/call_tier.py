"""Tasks that all tiers which carry calls have in common."""

from __future__ import annotations

from agent import log
from agent.aws import clients, metrics
from agent.instance import Instance
from agent.kamailio import dialogs
from agent.kamailio.kamcmd import RpcFailed
from agent.kamailio.service_lists import ServiceLists
from agent.kamailio.stale_dialogs import StaleDialogs
from agent.scheduler import Task
from common.kamailio import DMQ_PEERS

PEERS_INTERVAL_S = 5.0
STALE_DIALOGS_INTERVAL_S = 300.0  # more than `end_timeout` and Kamailio's own round of 90 s


def kamailio_tasks() -> list[Task]:
    """Tasks of every Kamailio: announce the DMQ peers, and remove stale dialogs."""
    return [
        Task(PEERS_INTERVAL_S, announce_peers),
        Task(STALE_DIALOGS_INTERVAL_S, StaleDialogs().forget),
    ]


def metric_task(instance: Instance) -> Task:
    """Publish the number of active calls, which scaling policies use."""

    def publish() -> None:
        count = dialogs.active_calls(instance.config, instance.facts)
        if count is not None:
            client = clients.client("cloudwatch", instance.config.region)
            metrics.publish(client, instance.config, count)

    return Task(metrics.INTERVAL_S, publish)


def announce_peers() -> None:
    """Announce the DMQ peers again: a restart of Kamailio loses them, and DMQ drops silent ones."""
    try:
        ServiceLists().repeat(DMQ_PEERS)
    except RpcFailed as error:
        log.warning("DMQ peers not announced", error=error)
