"""Every rendered Kamailio configuration is accepted by the Kamailio of the machine image."""

from __future__ import annotations

import os
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from agent.consul import pki
from agent.kamailio import tier_addresses
from common import paths
from common.topology import Tier
from rendering.files import File
from rendering.kamailio_files import kamailio_files
from settings import load
from settings.sip import DispatchAlgorithm
from testbed.sip.node import Node
from testbed.sip.plane import with_sip

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to see the image's files as /"),
]
TIERS = [Tier.SBC, Tier.ROUTER]


def from_agent() -> tuple[File, ...]:
    """What the agent puts beside the configuration at boot."""
    pair = pki.issue_server(pki.new_authority("tests"), ["sbc"], IPv4Address("203.0.113.10"))
    return (
        File(
            f"{paths.KAMAILIO}/{tier_addresses.TABLE}",
            tier_addresses.table([IPv4Address("203.0.113.10")]),
        ),
        File(str(paths.TLS_CERTIFICATE), pair.certificate),
        File(str(paths.TLS_KEY), pair.key),
    )


def check(layers: tuple[Path, ...], work: Path, files: tuple[File, ...]) -> tuple[int, str]:
    """Exit status of `kamailio -c`, and what it said beside plain information."""
    node = Node("check", "", "127.0.0.1", layers, work, "203.0.113.10")
    node.install((*files, *from_agent()))
    done = node.check()
    lines = (done.stdout + done.stderr).splitlines()
    return done.returncode, "\n".join(
        line for line in lines if any(word in line for word in ("ERROR", "WARNING", "CRITICAL"))
    )


@pytest.mark.parametrize("tier", TIERS, ids=str)
@pytest.mark.parametrize("name", ["demo", "production.example"])
def test_kamailio_accepts_the_rendered_configuration(
    image_root: tuple[Path, ...], tmp_path: Path, name: str, tier: Tier
) -> None:
    deployment = load(name)
    for tenant in deployment.tenants:
        status, said = check(
            image_root, tmp_path / tenant.name, kamailio_files(deployment, tenant, tier)
        )
        assert (status, said) == (0, "")


@pytest.mark.parametrize("algorithm", list(DispatchAlgorithm), ids=str)
def test_kamailio_accepts_every_dispatch_algorithm(
    image_root: tuple[Path, ...], tmp_path: Path, algorithm: DispatchAlgorithm
) -> None:
    deployment = with_sip(load("demo"), dispatch=algorithm)
    files = kamailio_files(deployment, deployment.tenants[0], Tier.SBC)
    assert check(image_root, tmp_path, files) == (0, "")


@pytest.mark.parametrize("tier", TIERS, ids=str)
def test_kamailio_accepts_what_is_off_by_default(
    image_root: tuple[Path, ...], tmp_path: Path, tier: Tier
) -> None:
    authority = pki.new_authority("carriers").certificate
    deployment = with_sip(
        load("demo"), capture={"homer": "10.50.0.9:9060"}, tls={"authorities": authority}
    )
    files = kamailio_files(deployment, deployment.tenants[0], tier)
    assert check(image_root, tmp_path, files) == (0, "")


def test_syntax_error_is_found(image_root: tuple[Path, ...], tmp_path: Path) -> None:
    deployment = load("demo")
    files = list(kamailio_files(deployment, deployment.tenants[0], Tier.SBC))
    broken = files[0].content.replace("request_route {", "request_route {{", 1)
    files[0] = File(files[0].path, broken)
    status, said = check(image_root, tmp_path, tuple(files))
    assert status != 0
    assert "syntax error" in said or "parse error" in said
