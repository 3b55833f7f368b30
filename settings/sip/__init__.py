"""The SIP plane of a tenant: one module per section."""

from __future__ import annotations

from enum import StrEnum
from typing import Self

from pydantic import Field, model_validator

from settings.base import Model
from settings.sip.capture import Capture
from settings.sip.connections import Connections
from settings.sip.edge import Edge
from settings.sip.overload import Overload
from settings.sip.timers import Timers
from settings.sip.tls import Tls

__all__ = [
    "Capture", "Connections", "DispatchAlgorithm", "Edge", "Overload", "Sip", "Timers", "Tls",
]  # fmt: skip


class DispatchAlgorithm(StrEnum):
    """How the SBC picks a router for a new call."""

    ROUND_ROBIN = "round-robin"
    WEIGHT = "weight"
    CALL_LOAD = "call-load"  # the fewest calls of the tier at this moment
    CALL_ID_HASH = "call-id-hash"

    @property
    def kamailio_id(self) -> int:
        """Number of the algorithm in Kamailio's dispatcher module.

        For the call load it only orders the routers that have equally many calls.
        """
        return {"call-id-hash": 0, "round-robin": 4, "weight": 11, "call-load": 4}[self.value]


class Sip(Model):
    """How a tenant's SBCs and routers treat SIP."""

    dispatch: DispatchAlgorithm = Field(
        default=DispatchAlgorithm.ROUND_ROBIN, description="choice of the router for a new call"
    )
    max_forwards: int = Field(default=70, ge=10, le=255, description="limit of Max-Forwards")
    timers: Timers = Field(default=Timers(), description="waits and the length of a call")
    edge: Edge = Field(default=Edge(), description="limits for messages from outside, and bans")
    connections: Connections = Field(default=Connections(), description="TCP and TLS connections")
    tls: Tls = Field(default=Tls(), description="check of the far end's certificate")
    overload: Overload = Field(default=Overload(), description="limits of new calls")
    capture: Capture = Field(default=Capture(), description="copies of SIP messages")

    @model_validator(mode="after")
    def _trusted_to_the_end_of_a_call(self) -> Self:
        trusted_s, max_call_s = self.edge.trusted_s, self.timers.max_call_s
        if trusted_s <= max_call_s:
            raise ValueError(
                f"edge.trusted_s: {trusted_s} must be longer than timers.max_call_s {max_call_s}"
            )
        return self
