"""Tasks of a router: rtpengines that are back, registrations at carriers, trusted sources."""

from __future__ import annotations

from agent import log
from agent.instance import Instance
from agent.kamailio import rtpengine_revive
from agent.kamailio.kamcmd import RpcFailed
from agent.kamailio.registrations import Registrations
from agent.kamailio.trusted_sources import TrustedSources
from agent.roles.call_tier import kamailio_tasks, metric_task
from agent.scheduler import Task
from common.names import TAG_TENANT, sources_key

RTPENGINE_INTERVAL_S = 2.0
ROUTER_CONFD_INTERVAL_S = 5.0  # between the agents' own questions to router-confd


def tasks(instance: Instance) -> list[Task]:
    """Kamailio's, the metric, and the three that only routers do."""
    sources = TrustedSources(
        instance.address,
        sources_key(instance.config.tags[TAG_TENANT]),
        instance.plane,
        instance.consul,
    )
    return [
        *kamailio_tasks(),
        metric_task(instance),
        Task(RTPENGINE_INTERVAL_S, revive_rtpengines),
        Task(ROUTER_CONFD_INTERVAL_S, Registrations(instance.address, instance.plane).run),
        Task(ROUTER_CONFD_INTERVAL_S, sources.run),
    ]


def revive_rtpengines() -> None:
    """Bring rtpengines back that Kamailio has given up, and that answer again."""
    try:
        rtpengine_revive.revive()
    except RpcFailed as error:
        log.warning("rtpengines not listed", error=error)
