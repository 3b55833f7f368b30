"""Does a change show which bytes of which machine it changes?"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from common import paths
from common.topology import Tier
from rendering.kamailio_files import kamailio_files
from rendering.user_data import UserData
from settings import Deployment
from settings.limits import Limits
from settings.sip import Capture, DispatchAlgorithm, Tls


def test_every_file_of_every_role_is_as_recorded(
    role: str, rendered: UserData, matches_snapshot: Callable[[str, dict[str, str]], None]
) -> None:
    # Of the other files together; in a snapshot it would only make every change conflict.
    digest = rendered.bundle.sha256
    files = {file.path: file.content.replace(digest, "DIGEST") for file in rendered.files}
    matches_snapshot(role, files)


@pytest.mark.parametrize("tier", [Tier.SBC, Tier.ROUTER], ids=str)
def test_every_option_of_kamailio_is_as_recorded(
    deployment: Deployment, tier: Tier, matches_snapshot: Callable[[str, dict[str, str]], None]
) -> None:
    """The same with what is off by default."""
    tenant = deployment.tenants[0]
    options = {
        "dispatch": DispatchAlgorithm.CALL_LOAD,
        "tls": Tls(verify=False),
        "capture": Capture(homer="10.50.0.9:9060"),
    }
    limits = Limits(tenant_calls=500, tenant_calls_per_s=50, trunk_calls=100, pbx_calls_per_s=9)
    sip = tenant.sip.model_copy(update=options)
    changed = tenant.model_copy(update={"sip": sip, "limits": limits})
    files = kamailio_files(deployment, changed, tier)
    matches_snapshot(
        f"{tier}-options",
        {f.path: f.content for f in files if Path(f.path).parent == paths.KAMAILIO_CONFIG},
    )
