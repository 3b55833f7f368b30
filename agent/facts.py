"""What only the instance itself knows: identity, addresses, zone."""

from __future__ import annotations

from ipaddress import IPv4Address
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError

from agent.config import Model
from agent.errors import AgentError
from common import paths
from common.kamailio import node_id


class Facts(Model):
    """Facts of the running instance; `public_ip` is the claimed Elastic IP."""

    instance_id: Annotated[str, Field(pattern=r"^i-[0-9a-f]+$")]
    region: Annotated[str, Field(pattern=r"^[a-z]{2}(-[a-z]+)+-\d$")]
    zone: Annotated[str, Field(pattern=r"^[a-z]{2}(-[a-z]+)+-\d[a-z]$")]
    private_ip: IPv4Address
    public_ip: IPv4Address | None = None

    @property
    def node_id(self) -> int:
        """1 to 65535, unique inside the VPC, which is a /16 at most."""
        return node_id(self.private_ip)

    @property
    def advertised_ip(self) -> IPv4Address:
        """Address under which the outside reaches the instance."""
        return self.public_ip or self.private_ip


def load(path: Path = paths.FACTS) -> Facts:
    """Facts from `path`. Raises `AgentError` naming field and value when one is wrong."""
    try:
        return Facts.model_validate_json(path.read_bytes())
    except OSError as error:
        raise AgentError(f"{path}: cannot be read: {error.strerror}") from None
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, e['loc']))}: {e['input']!r}: {e['msg']}" for e in error.errors()
        )
        raise AgentError(f"{path}: {problems}") from None
