"""What the models of the settings share."""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict

NAME_PATTERN = r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$"
REGION_PATTERN = r"^[a-z]{2}(-[a-z]+)+-\d$"
INSTANCE_TYPE_PATTERN = r"^[a-z0-9-]{2,30}\.[a-z0-9-]{2,30}$"


# The only values that CloudWatch Logs takes.
LogDays = Literal[1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 3653]


class Model(BaseModel):
    """Immutable, and an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _private(network: IPv4Network) -> IPv4Network:
    if not network.is_private or network.prefixlen < 8:
        raise ValueError(
            "must be a private range, e.g. 10.0.0.0/8: it is reached by VPN or peering"
        )
    return network


PrivateNetwork = Annotated[IPv4Network, AfterValidator(_private)]
