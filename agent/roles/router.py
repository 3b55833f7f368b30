"""Tasks of a router: revived rtpengines, registrations at carriers, provisioned sources."""

from __future__ import annotations

from agent import log
from agent.instance import Instance
from agent.kamailio import rtpengine_revive
from agent.kamailio.kamcmd import RpcFailed
from agent.kamailio.provisioned_sources import ProvisionedSources
from agent.kamailio.registrations import Registrations
from agent.roles.call_tier import kamailio_tasks, metric_task
from agent.scheduler import Task
from common.names import TAG_TENANT, provisioned_sources_key

RTPENGINE_INTERVAL_S = 2.0
ROUTER_CONFD_INTERVAL_S = 5.0  # between the agent's own requests to router-confd


def tasks(instance: Instance) -> list[Task]:
    """Kamailio's tasks, the metric, and three tasks that only routers have."""
    sources = ProvisionedSources(
        instance.address,
        provisioned_sources_key(instance.config.tags[TAG_TENANT]),
        instance.healthy_instances,
        instance.consul,
    )
    return [
        *kamailio_tasks(),
        metric_task(instance),
        Task(RTPENGINE_INTERVAL_S, revive_rtpengines),
        Task(
            ROUTER_CONFD_INTERVAL_S, Registrations(instance.address, instance.healthy_instances).run
        ),
        Task(ROUTER_CONFD_INTERVAL_S, sources.run),
    ]


def revive_rtpengines() -> None:
    """Make Kamailio use rtpengines again that it has disabled, and that answer again."""
    try:
        rtpengine_revive.revive()
    except RpcFailed as error:
        log.warning("rtpengines not listed", error=error)
