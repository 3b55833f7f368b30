"""Context of the templates that every instance gets: Consul, systemd units, cloud-init."""

from __future__ import annotations

from dataclasses import dataclass

from agent.config import Config, Database, Kind, Ports, Secrets
from settings import facts
from settings.facts import Tier
from settings.models import CallTierSize, Deployment, KamailioSize, Tenant

CONFD_DRAIN_S = 30  # router-confd has no calls, only requests in progress
CONSUL_DRAIN_S = 0


@dataclass(frozen=True)
class InstanceContext:
    """What `cloud-init/`, `consul/` templates may use."""

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
    ports: Ports
    agent_port: int
    serf_port: int
    rpc_port: int
    dns_port: int
    lists: tuple[str, ...]  # names of the lists that consul-template renders
    shared_memory_mb: int  # Kamailio; 0 elsewhere
    ringing_end_s: int  # 0 on Consul servers

    @classmethod
    def of_tier(
        cls, deployment: Deployment, tenant: Tenant, tier: Tier, lists: tuple[str, ...]
    ) -> InstanceContext:
        """Context of one tier of a tenant; `lists` are what its consul-template renders."""
        size = tenant.size(tier)
        return cls(
            deployment=deployment.deployment,
            region=deployment.region,
            role=tier.value,
            tenant=tenant.name,
            service=facts.service_name(tenant.name, tier),
            service_port=_SERVICE_PORT[tier],
            check_path=_CHECK_PATH[tier],
            consul_servers=deployment.consul.servers,
            join_tag=facts.TAG_CONSUL,
            node_prefix=facts.node_prefix(tenant.name, tier),
            ports=ports(),
            agent_port=facts.AGENT_METRICS_PORT,
            serf_port=facts.CONSUL_SERF_PORT,
            rpc_port=facts.CONSUL_RPC_PORT,
            dns_port=facts.CONSUL_DNS_PORT,
            lists=lists,
            shared_memory_mb=size.shared_memory_mb if isinstance(size, KamailioSize) else 0,
            ringing_end_s=tenant.sip.ringing_end_s,
        )

    @classmethod
    def of_consul_server(cls, deployment: Deployment) -> InstanceContext:
        """Context of the deployment's Consul servers."""
        return cls(
            deployment=deployment.deployment,
            region=deployment.region,
            role=facts.CONSUL_SERVER,
            tenant="",
            service="",
            service_port=0,
            check_path="",
            consul_servers=deployment.consul.servers,
            join_tag=facts.TAG_CONSUL,
            node_prefix=facts.node_prefix(facts.CONSUL_SERVER),
            ports=ports(),
            agent_port=facts.AGENT_METRICS_PORT,
            serf_port=facts.CONSUL_SERF_PORT,
            rpc_port=facts.CONSUL_RPC_PORT,
            dns_port=facts.CONSUL_DNS_PORT,
            lists=(),
            shared_memory_mb=0,
            ringing_end_s=0,
        )


_SERVICE_PORT = {
    Tier.SBC: facts.SIP_INTERNAL_PORT,
    Tier.ROUTER: facts.SIP_INTERNAL_PORT,
    Tier.RTP: facts.RTPENGINE_NG_PORT,
    Tier.CONFD: facts.CONFD_KAMAILIO_PORT,
}
_CHECK_PATH = {
    Tier.SBC: "/health/sip",
    Tier.ROUTER: "/health/sip",
    Tier.RTP: "/health/ng",
    Tier.CONFD: "/health/http",
}


def ports() -> Ports:
    """The ports that the agent needs, from the facts."""
    return Ports(
        agent=facts.AGENT_METRICS_PORT,
        consul_http=facts.CONSUL_HTTP_PORT,
        sip=facts.SIP_INTERNAL_PORT,
        kamailio_http=facts.KAMAILIO_HTTP_PORT,
        ng=facts.RTPENGINE_NG_PORT,
        rtpengine_http=facts.RTPENGINE_HTTP_PORT,
        rtp_min=facts.RTP_PORT_MIN,
        rtp_max=facts.RTP_PORT_MAX,
        confd_kamailio=facts.CONFD_KAMAILIO_PORT,
        confd_api=facts.CONFD_API_PORT,
    )


def agent_config(
    deployment: Deployment, tenant: Tenant, tier: Tier, lists: tuple[str, ...]
) -> Config:
    """The agent's configuration on an instance of a tenant's tier."""
    name = deployment.deployment
    size = tenant.size(tier)
    confd = tier is Tier.CONFD
    return Config(
        deployment=name,
        region=deployment.region,
        kind=Kind(tier.value),
        group=facts.resource_name(name, tenant.name, tier),
        service=facts.service_name(tenant.name, tier),
        check_path=_CHECK_PATH[tier],
        tags={
            facts.TAG_DEPLOYMENT: name,
            facts.TAG_TENANT: tenant.name,
            facts.TAG_ROLE: tier.value,
        },
        public_address=tier.has_public_address,
        ports=ports(),
        secrets=Secrets(
            consul_agent=facts.secret_name(name, facts.CONSUL_SERVER, "agent"),
            consul_tier=facts.token_secret(name, tenant.name, tier),
            router_confd=facts.secret_name(name, tenant.name, tier) if confd else None,
            sbc_tls=facts.secret_name(name, tenant.name, facts.SBC_TLS)
            if tier is Tier.SBC
            else None,
        ),
        database=Database(instance=facts.resource_name(name, tenant.name), name=facts.DATABASE_NAME)
        if confd
        else None,
        lists=lists,
        hook_launching=facts.HOOK_LAUNCHING,
        hook_terminating=facts.HOOK_TERMINATING,
        drain_s=size.drain_s if isinstance(size, CallTierSize) else CONFD_DRAIN_S,
        metric_namespace=facts.metric_namespace(name),
        metric_active_calls=facts.METRIC_ACTIVE_CALLS,
    )


def consul_server_config(deployment: Deployment) -> Config:
    """The agent's configuration on a Consul server."""
    name = deployment.deployment
    return Config(
        deployment=name,
        region=deployment.region,
        kind=Kind.CONSUL,
        group=facts.resource_name(name, facts.CONSUL_SERVER),
        service=None,
        tags={facts.TAG_DEPLOYMENT: name, facts.TAG_ROLE: facts.CONSUL_SERVER},
        public_address=False,
        ports=ports(),
        secrets=Secrets(
            consul_agent=facts.secret_name(name, facts.CONSUL_SERVER, "agent"),
            consul_server=facts.secret_name(name, facts.CONSUL_SERVER, "server"),
        ),
        hook_launching=facts.HOOK_LAUNCHING,
        hook_terminating=facts.HOOK_TERMINATING,
        drain_s=CONSUL_DRAIN_S,
        recover_after_s=deployment.consul.recover_after_s,
        metric_namespace=facts.metric_namespace(name),
        metric_active_calls=facts.METRIC_ACTIVE_CALLS,
    )
