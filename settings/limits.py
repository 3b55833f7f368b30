"""Limits of calls."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from settings.base import Model

CallLimit = Annotated[int | None, Field(ge=1, le=1_000_000)]


class Limits(Model):
    """Defaults for limits that router-confd does not set.

    `tenant_...` means a tenant of router-confd.
    """

    tenant_calls: CallLimit = Field(
        default=None, description="calls of a tenant at the same time; default: no limit"
    )
    tenant_calls_per_s: CallLimit = Field(
        default=None, description="new calls of a tenant per second; default: no limit"
    )
    pbx_calls: CallLimit = Field(
        default=None, description="calls from and to a PBX at the same time; default: no limit"
    )
    pbx_calls_per_s: CallLimit = Field(
        default=None, description="new calls from and to a PBX per second; default: no limit"
    )
    trunk_calls: CallLimit = Field(
        default=None,
        description="calls from and to a carrier trunk at the same time; default: no limit",
    )
    trunk_calls_per_s: CallLimit = Field(
        default=None,
        description="new calls from and to a carrier trunk per second; default: no limit",
    )
