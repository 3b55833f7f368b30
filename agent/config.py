"""The agent's configuration: written at synth from the settings, read on the instance."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agent.errors import AgentError
from common import paths
from common.topology import Role


class Model(BaseModel):
    """Immutable, and an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Ports(Model):
    """Ports of the instance's services."""

    agent: int = Field(description="health checks of the agent, loopback, TCP")
    consul_http: int = Field(description="local Consul agent, loopback, TCP")
    sip: int = Field(description="internal SIP socket, UDP")
    kamailio_http: int
    ng: int = Field(description="rtpengine control, UDP")
    rtpengine_http: int
    rtp_min: int
    rtp_max: int
    confd_kamailio: int
    confd_api: int


class Secrets(Model):
    """Names in Secrets Manager; None where the instance does not use the secret."""

    consul_agent: str
    consul_server: str | None = None
    consul_tier: str | None = None
    router_confd: str | None = None
    sbc_tls: str | None = None


class Database(Model):
    """The tenant's PostgreSQL; address and credentials are looked up by `instance`."""

    instance: str = Field(description="RDS instance identifier")
    name: str = Field(description="database name")


class Config(Model):
    """Everything that the agent knows before the instance boots."""

    deployment: str
    region: str
    role: Role
    group: str = Field(description="autoscaling group of the instance")
    service: str | None = Field(
        default=None, description="id and name of the Consul service; None on servers"
    )
    check_path: str | None = Field(
        default=None, description="path of the health endpoint that Consul's check asks for"
    )
    tags: dict[str, str] = Field(description="EC2 tags of the instance and of its Elastic IPs")
    public_address: bool = Field(description="claim an Elastic IP by `tags` at boot")
    ports: Ports
    secrets: Secrets
    database: Database | None = None
    lists: tuple[str, ...] = Field(default=(), description="lists that consul-template renders")
    hook_launching: str
    hook_terminating: str
    drain_s: int = Field(ge=0, description="limit of the wait for active calls, s")
    recover_after_s: int | None = Field(
        default=None, description="Consul servers: time without a leader, before recovery, s"
    )
    metric_namespace: str
    metric_active_calls: str


def load(path: Path = paths.CONFIG) -> Config:
    """The configuration in `path`. Raises `AgentError` when it is absent or wrong."""
    try:
        return Config.model_validate_json(path.read_bytes())
    except OSError as error:
        raise AgentError(f"{path}: cannot be read: {error.strerror}") from None
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, e['loc']))}: {e['input']!r}: {e['msg']}" for e in error.errors()
        )
        raise AgentError(f"{path}: {problems}") from None
