"""Tasks that the tiers that carry calls share."""

from __future__ import annotations

from agent import log
from agent.aws import clients, metrics
from agent.instance import Instance
from agent.kamailio import dialogs, service_lists
from agent.kamailio.kamcmd import RpcFailed
from agent.kamailio.stale_dialogs import StaleDialogs
from agent.scheduler import Task
from common.kamailio import DMQ_PEERS

PEERS_INTERVAL_S = 5.0
STALE_DIALOGS_INTERVAL_S = 300.0  # more than `end_timeout` and Kamailio's own round of 90 s


def kamailio_tasks() -> list[Task]:
    """What every Kamailio needs: its DMQ peers, and no dialogs of dead ones."""
    return [
        Task(PEERS_INTERVAL_S, announce_peers),
        Task(STALE_DIALOGS_INTERVAL_S, StaleDialogs().forget),
    ]


def metric_task(instance: Instance) -> Task:
    """The metric that scaling follows."""

    def publish() -> None:
        count = dialogs.calls(instance.config, instance.facts)
        if count is not None:
            client = clients.client("cloudwatch", instance.config.region)
            metrics.publish(client, instance.config, count)

    return Task(metrics.INTERVAL_S, publish)


def announce_peers() -> None:
    """DMQ forgets its peers when Kamailio restarts, and those that were silent for a while."""
    try:
        service_lists.repeat(DMQ_PEERS)
    except RpcFailed as error:
        log.warning("peers not announced", error=error)
