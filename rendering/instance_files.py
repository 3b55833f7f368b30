"""Lists of the files that an instance gets: by tier, and on Consul servers."""

from __future__ import annotations

from dataclasses import dataclass

from common import kamailio, paths
from common.topology import Tier
from rendering import instance
from rendering.files import File
from rendering.instance import InstanceContext
from rendering.templates import render
from settings.deployment import Deployment
from settings.tenant import Tenant

_SERVICE_UNIT = {
    Tier.SBC: "kamailio.service",
    Tier.ROUTER: "kamailio.service",
    Tier.RTP: "rtpengine.service",
    Tier.ROUTER_CONFD: "router-confd.service",
}


@dataclass(frozen=True)
class _TargetContext:
    """Context of c4.target."""

    role: str
    units: tuple[str, ...]


def tier_files(deployment: Deployment, tenant: Tenant, tier: Tier) -> tuple[File, ...]:
    """Files of this tier only: the configuration of its service."""
    if not tier.runs_kamailio:
        return ()
    from rendering.kamailio_files import kamailio_files

    return tuple(kamailio_files(deployment, tenant, tier))


def list_names(tier: Tier) -> tuple[str, ...]:
    """Names of the lists that consul-template renders on an instance of the tier, sorted."""
    return tuple(sorted(kamailio.LISTS.get(tier, ())))


def tier_base_files(
    deployment: Deployment, tenant: Tenant, tier: Tier, context: InstanceContext
) -> tuple[File, ...]:
    """Files of the platform on an instance of a tier: agent, Consul, systemd units."""
    config = instance.agent_config(deployment, tenant, tier, context.lists)
    units = ["c4-boot.service", "consul.service", _SERVICE_UNIT[tier], "c4-agent.service"]
    files = [
        File(str(paths.CONFIG), config.model_dump_json(indent=1, exclude_none=True) + "\n"),
        File(f"{paths.CONSUL_CONFIG}/agent.hcl", render("consul/agent.hcl.j2", context)),
    ]
    if context.lists:
        units.append("consul-template.service")
        text = render("consul/template.hcl.j2", context)
        files.append(File(str(paths.CONSUL_TEMPLATE), text))
    return (*files, *_system_files(context, tuple(units)))


def server_files(deployment: Deployment, context: InstanceContext) -> tuple[File, ...]:
    """Files of a Consul server."""
    config = instance.consul_server_config(deployment)
    return (
        File(str(paths.CONFIG), config.model_dump_json(indent=1, exclude_none=True) + "\n"),
        File(f"{paths.CONSUL_CONFIG}/server.hcl", render("consul/server.hcl.j2", context)),
        *_system_files(
            context,
            ("c4-boot.service", "consul.service", "c4-agent.service", "c4-quorum.path"),
            ("c4-quorum.service",),
        ),
    )


def fact_files(context: InstanceContext) -> tuple[File, ...]:
    """Files with the instance's own facts, which cloud-init's Jinja completes at boot."""
    files = [
        File(str(paths.INSTANCE), render("cloud-init/instance.json.j2")),
        File(f"{paths.CONSUL_CONFIG}/node.json", render("consul/node.json.j2", context)),
    ]
    if context.service:
        files.append(File(str(paths.SERVICE), render("consul/service.json.j2", context)))
    return tuple(files)


def _system_files(
    context: InstanceContext, units: tuple[str, ...], on_demand: tuple[str, ...] = ()
) -> tuple[File, ...]:
    """Units that c4.target starts, and those that others start."""
    target = _TargetContext(context.role, units)
    return (
        File(str(paths.TMPFILES), render("cloud-init/units/tmpfiles.conf.j2")),
        File(f"{paths.UNITS}/c4.target", render("cloud-init/units/c4.target.j2", target)),
        *(
            File(f"{paths.UNITS}/{unit}", render(f"cloud-init/units/{unit}.j2", context))
            for unit in (*units, *on_demand)
        ),
    )
