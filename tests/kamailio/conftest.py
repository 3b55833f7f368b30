"""Fixtures: the image's file system, and a SIP plane in namespaces."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from host import abilities
from host.paths import cache_dir
from testbed.image_layers import ROOT_VARIABLE, image_layers
from testbed.load.flood import quiet_hosts
from testbed.sip.addresses import ATTACKER, CALLEE, CALLER
from testbed.sip.agent import Agent
from testbed.sip.plane import Cluster, cluster, wait_until
from testbed.sip.registration import Agents, holders, tell
from testbed.sip.sources import forgive


def _layers() -> tuple[Path, ...]:
    """Layers of the machine image; skips where there can be none, or not soon."""
    if not os.environ.get(ROOT_VARIABLE):
        if reasons := abilities.missing():
            pytest.skip(
                f"no machine can boot here ({'; '.join(reasons)}), nor is there {ROOT_VARIABLE} "
                "with a Debian 13 tree that has Kamailio"
            )
        if os.environ.get("CI") != "true" and not list((cache_dir() / "image").glob("os-*")):
            pytest.skip(f"no machine image yet: run `make demo` once, or set {ROOT_VARIABLE}")
    return image_layers()


@pytest.fixture(scope="session")
def image_root() -> tuple[Path, ...]:
    """Layers of the file system that instances run, topmost first."""
    return _layers()


@pytest.fixture(scope="module")
def plane(image_root: tuple[Path, ...]) -> Iterator[Cluster]:
    """Two SBCs, two routers, two rtpengines, two router-confd; shared by a module's tests."""
    if reasons := abilities.missing():
        pytest.skip(f"no machine can boot here: {'; '.join(reasons)}")
    with cluster(image_root) as made:
        yield made


@pytest.fixture
def caller(plane: Cluster) -> Agent:
    """A user agent at the address that router-confd knows as a trunk's."""
    return plane.ua(CALLER)


@pytest.fixture
def callee(plane: Cluster) -> Agent:
    """A user agent where router-confd sends calls by default; it answers them."""
    return plane.ua(CALLEE)


@pytest.fixture
def attacker(plane: Cluster) -> Iterator[Agent]:
    """Somebody whom nobody knows; the SBCs forget it afterwards."""
    yield plane.ua(ATTACKER)
    forgive(plane)


@pytest.fixture
def hosts(plane: Cluster) -> Iterator[tuple[str, str, str]]:
    """Namespaces of caller, callee and attacker, with nobody on their ports."""
    with quiet_hosts(plane) as made:
        yield made


@pytest.fixture
def agents(plane: Cluster) -> Iterator[Agents]:
    """The routers' agents, as far as they register trunks; in the end no trunk is registered."""
    tell(plane)
    with Agents(plane) as made:
        yield made
        tell(plane)
        wait_until(lambda: not any(holders(plane).values()), 10, "registrations given up")


@pytest.fixture(autouse=True)
def _quiet_agents(request: pytest.FixtureRequest) -> Iterator[None]:
    """Each test begins with default user agents and a whole plane."""
    yield
    if "plane" in request.fixturenames:
        request.getfixturevalue("plane").restore()
