"""Names by which the parts of a deployment find each other: tags, secrets, services, hooks."""

from __future__ import annotations

from typing import Final

from common.topology import CONSUL_SERVER, Tier

TAG_DEPLOYMENT: Final = "c4:deployment"
TAG_TENANT: Final = "c4:tenant"
TAG_ROLE: Final = "c4:role"  # a Tier's value, or CONSUL_SERVER
# On an Elastic IP: when an instance took it. A drain removes the tag, so a free address that still
# has it belonged to an instance that died.
TAG_HELD: Final = "c4:held"
TAG_CONSUL: Final = "c4:consul"  # on Consul servers only, for `retry_join`: the deployment

HOOK_LAUNCHING: Final = "launching"  # lifecycle hooks of every group, completed by the agent
HOOK_TERMINATING: Final = "terminating"
# CloudWatch metric for scaling, in namespace `metric_namespace()`, dimension AutoScalingGroupName
METRIC_ACTIVE_CALLS: Final = "ActiveCalls"
SBC_TLS: Final = "sbc-tls"  # part of a secret's name: certificate and key of a tenant's SBCs
DATABASE_NAME: Final = "router_confd"


def service_name(tenant: str, tier: Tier) -> str:
    """Consul service name of a tenant's tier, e.g. `acme-router`."""
    return f"{tenant}-{tier}"


def node_prefix(owner: str, tier: Tier | None = None) -> str:
    """Prefix of the Consul node names of a tenant, of its tier, or of the servers: `acme--sbc--`.

    No name contains two hyphens in a row, so no tenant's prefix is part of another's.
    """
    return f"{owner}--" if tier is None else f"{owner}--{tier}--"


def provisioned_sources_key(tenant: str) -> str:
    """Key in Consul where a router's agent publishes provisioned sources: `c4/acme/sources`."""
    return f"{key_prefix(tenant)}sources"


def key_prefix(tenant: str) -> str:
    """Prefix of a tenant's keys in Consul, not part of any other tenant's: `c4/acme/`."""
    return f"c4/{tenant}/"


def record_route_name(tenant: str, tier: Tier) -> str:
    """Logical host of a tier in Record-Route headers, e.g. `router.acme.c4.internal`.

    It is never resolved, because every Kamailio of the tier has it as an alias.
    """
    return f"{tier}.{tenant}.c4.internal"


def resource_name(deployment: str, *parts: str) -> str:
    """Name of an AWS resource: `c4-<deployment>-<part>-...`."""
    return "-".join(("c4", deployment, *parts))


def secret_name(deployment: str, *parts: str) -> str:
    """Name in Secrets Manager: `c4/<deployment>/<part>/...`."""
    return "/".join(("c4", deployment, *parts))


def token_secret(deployment: str, tenant: str, tier: Tier) -> str:
    """Name of the secret with the token of a tier's Consul agents."""
    return secret_name(deployment, tenant, CONSUL_SERVER, tier)


def files_bucket(deployment: str, account: str) -> str:
    """Bucket with the files of the deployment's instances; such names are unique in all of AWS."""
    return resource_name(deployment, "files", account)


def bundle_key(owner: str, role: str) -> str:
    """Key of the files of a tier: `acme/sbc.json.gz`. The owner is a tenant, or Consul's."""
    return f"{owner}/{role}.json.gz"


def metric_namespace(deployment: str) -> str:
    """CloudWatch namespace of the deployment's metrics: `C4/<deployment>`."""
    return f"C4/{deployment}"
