"""Which CDK for Terraform builds the stacks. This is the only place that decides it.

`C4_CDK` names it: `cdktf`, the default, or `cdktn` (CDK Terrain), its maintained fork. Our modules
import `cdktf` and `cdktf_cdktf_provider_aws` in either case, and type checkers see these. With the
fork, `install()` makes both names mean the fork's packages. docs/decisions/0001-cdktf.md compares
the two.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Final

from c4 import lazy_provider
from c4.cdk import aliases
from c4.lazy_provider import environment

VARIABLE: Final = "C4_CDK"


class CdkError(Exception):
    """`C4_CDK` cannot be followed; `str()` is what the user should read."""


@dataclass(frozen=True)
class Cdk:
    """Python packages of a CDK. Its name is also that of its library and of its command."""

    name: str
    provider: str


CDKTF: Final = Cdk("cdktf", "cdktf_cdktf_provider_aws")
CDKTN: Final = Cdk("cdktn", "cdktn_provider_aws")
KNOWN: Final = {cdk.name: cdk for cdk in (CDKTF, CDKTN)}


def chosen() -> Cdk:
    """The CDK that the environment names. Raises `CdkError` for an unknown one."""
    name = os.environ.get(VARIABLE) or CDKTF.name
    if name not in KNOWN:
        raise CdkError(f"{VARIABLE}={name}: unknown; allowed are {', '.join(KNOWN)}")
    return KNOWN[name]


def install() -> Cdk:
    """Prepare this process for the chosen CDK; idempotent. Call it before anything imports `cdktf`.

    Raises `CdkError` when the CDK is unknown or not installed, and `RuntimeError` when it comes
    too late.
    """
    cdk = chosen()
    environment.prepare()
    try:
        lazy_provider.install(cdk.provider, library=cdk.name)
    except ModuleNotFoundError as error:
        raise CdkError(f"{VARIABLE}={cdk.name}: {error}") from error
    if cdk != CDKTF:
        aliases.install({CDKTF.name: cdk.name, CDKTF.provider: cdk.provider})
    return cdk
