"""Context of the templates that every instance gets: Consul, systemd units, cloud-init."""

from __future__ import annotations

from dataclasses import dataclass

from agent.config import Config, Database, Ports, Secrets
from common import names, ports, topology
from common.topology import Role, Tier
from rendering.timers import Timers
from settings.deployment import Deployment
from settings.tenant import Tenant
from settings.tiers import CallTierSize, KamailioSize

ROUTER_CONFD_DRAIN_S = 30  # router-confd has no calls, only requests in progress
CONSUL_DRAIN_S = 0


@dataclass(frozen=True)
class InstanceContext:
    """Variables of the templates under `cloud-init/` and `consul/`."""

    deployment: str
    region: str
    role: str
    tenant: str  # "" on Consul servers
    service: str  # Consul service name; "" on Consul servers
    service_port: int  # 0 on Consul servers
    check_path: str  # of the agent's local health endpoint
    consul_servers: int
    join_tag: str
    node_prefix: str  # of the Consul node's name; the rest is the instance id
    lists: tuple[str, ...]  # names of the lists that consul-template renders
    shared_memory_mb: int  # Kamailio; 0 elsewhere
    ringing_end_s: int  # 0 on Consul servers

    @classmethod
    def of_tier(
        cls, deployment: Deployment, tenant: Tenant, tier: Tier, lists: tuple[str, ...]
    ) -> InstanceContext:
        """Context of one tier of a tenant; `lists` are those that its consul-template renders."""
        size = tenant.size(tier)
        return cls(
            deployment=deployment.deployment,
            region=deployment.region,
            role=tier.value,
            tenant=tenant.name,
            service=names.service_name(tenant.name, tier),
            service_port=_SERVICE_PORT[tier],
            check_path=_CHECK_PATH[tier],
            consul_servers=deployment.consul.servers,
            join_tag=names.TAG_CONSUL,
            node_prefix=names.node_prefix(tenant.name, tier),
            lists=lists,
            shared_memory_mb=size.shared_memory_mb if isinstance(size, KamailioSize) else 0,
            ringing_end_s=Timers(tenant.sip, tier).ringing_end_s,
        )

    @classmethod
    def of_consul_server(cls, deployment: Deployment) -> InstanceContext:
        """Context of the deployment's Consul servers."""
        return cls(
            deployment=deployment.deployment,
            region=deployment.region,
            role=topology.CONSUL_SERVER,
            tenant="",
            service="",
            service_port=0,
            check_path="",
            consul_servers=deployment.consul.servers,
            join_tag=names.TAG_CONSUL,
            node_prefix=names.node_prefix(topology.CONSUL_SERVER),
            lists=(),
            shared_memory_mb=0,
            ringing_end_s=0,
        )


_SERVICE_PORT = {
    Tier.SBC: ports.SIP_INTERNAL.number,
    Tier.ROUTER: ports.SIP_INTERNAL.number,
    Tier.RTP: ports.RTPENGINE_NG.number,
    Tier.ROUTER_CONFD: ports.ROUTER_CONFD_INTERNAL.number,
}
_CHECK_PATH = {
    Tier.SBC: "/health/sip",
    Tier.ROUTER: "/health/sip",
    Tier.RTP: "/health/ng",
    Tier.ROUTER_CONFD: "/health/http",
}


def agent_ports() -> Ports:
    """The ports that the agent needs."""
    return Ports(
        agent=ports.AGENT_HEALTH.number,
        consul_http=ports.CONSUL_HTTP.number,
        sip=ports.SIP_INTERNAL.number,
        kamailio_http=ports.KAMAILIO_HTTP.number,
        ng=ports.RTPENGINE_NG.number,
        rtpengine_http=ports.RTPENGINE_HTTP.number,
        rtp_min=ports.RTP.first,
        rtp_max=ports.RTP.last,
        confd_kamailio=ports.ROUTER_CONFD_INTERNAL.number,
        confd_api=ports.ROUTER_CONFD_API.number,
    )


def agent_config(
    deployment: Deployment, tenant: Tenant, tier: Tier, lists: tuple[str, ...]
) -> Config:
    """The agent's configuration on an instance of a tenant's tier."""
    name = deployment.deployment
    size = tenant.size(tier)
    confd = tier is Tier.ROUTER_CONFD
    return Config(
        deployment=name,
        region=deployment.region,
        role=Role(tier.value),
        group=names.resource_name(name, tenant.name, tier),
        service=names.service_name(tenant.name, tier),
        check_path=_CHECK_PATH[tier],
        tags={
            names.TAG_DEPLOYMENT: name,
            names.TAG_TENANT: tenant.name,
            names.TAG_ROLE: tier.value,
        },
        public_address=tier.has_public_address,
        ports=agent_ports(),
        secrets=Secrets(
            consul_agent=names.secret_name(name, topology.CONSUL_SERVER, "agent"),
            consul_tier=names.token_secret(name, tenant.name, tier),
            router_confd=names.secret_name(name, tenant.name, tier) if confd else None,
            sbc_tls=names.secret_name(name, tenant.name, names.SBC_TLS)
            if tier is Tier.SBC
            else None,
        ),
        database=Database(instance=names.resource_name(name, tenant.name), name=names.DATABASE_NAME)
        if confd
        else None,
        lists=lists,
        hook_launching=names.HOOK_LAUNCHING,
        hook_terminating=names.HOOK_TERMINATING,
        drain_s=size.drain_s if isinstance(size, CallTierSize) else ROUTER_CONFD_DRAIN_S,
        metric_namespace=names.metric_namespace(name),
        metric_active_calls=names.METRIC_ACTIVE_CALLS,
    )


def consul_server_config(deployment: Deployment) -> Config:
    """The agent's configuration on a Consul server."""
    name = deployment.deployment
    return Config(
        deployment=name,
        region=deployment.region,
        role=Role.CONSUL_SERVER,
        group=names.resource_name(name, topology.CONSUL_SERVER),
        service=None,
        tags={names.TAG_DEPLOYMENT: name, names.TAG_ROLE: topology.CONSUL_SERVER},
        public_address=False,
        ports=agent_ports(),
        secrets=Secrets(
            consul_agent=names.secret_name(name, topology.CONSUL_SERVER, "agent"),
            consul_server=names.secret_name(name, topology.CONSUL_SERVER, "server"),
        ),
        hook_launching=names.HOOK_LAUNCHING,
        hook_terminating=names.HOOK_TERMINATING,
        drain_s=CONSUL_DRAIN_S,
        recover_after_s=deployment.consul.recover_after_s,
        metric_namespace=names.metric_namespace(name),
        metric_active_calls=names.METRIC_ACTIVE_CALLS,
    )
