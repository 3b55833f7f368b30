"""Facts that only the instance itself knows: its identity, addresses and zone."""

from __future__ import annotations

from ipaddress import IPv4Address
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError

from agent.config import Model
from agent.errors import AgentError
from common import paths
from common.kamailio import node_id


class InstanceFacts(Model):
    """Facts of the running instance; `public_ip` is the Elastic IP that it has claimed."""

    instance_id: Annotated[str, Field(pattern=r"^i-[0-9a-f]+$")]
    region: Annotated[str, Field(pattern=r"^[a-z]{2}(-[a-z]+)+-\d$")]
    zone: Annotated[str, Field(pattern=r"^[a-z]{2}(-[a-z]+)+-\d[a-z]$")]
    private_ip: IPv4Address
    public_ip: IPv4Address | None = None

    @property
    def node_id(self) -> int:
        """A number from 1 to 65535, unique in the VPC, which is a /16 at most."""
        return node_id(self.private_ip)

    @property
    def advertised_ip(self) -> IPv4Address:
        """The address under which hosts outside the VPC reach the instance."""
        return self.public_ip or self.private_ip


def load(path: Path = paths.FACTS) -> InstanceFacts:
    """InstanceFacts from `path`. Raises `AgentError` naming field and value when one is wrong."""
    try:
        return InstanceFacts.model_validate_json(path.read_bytes())
    except OSError as error:
        raise AgentError(f"{path}: cannot be read: {error.strerror}") from None
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, e['loc']))}: {e['input']!r}: {e['msg']}" for e in error.errors()
        )
        raise AgentError(f"{path}: {problems}") from None
