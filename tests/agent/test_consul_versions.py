"""Each version of Consul that a deployment may name: our configuration, and a change of versions.

The other tests run the version of the image. A person can have them, and these, run another one:
`C4_TEST_CONSUL=/path/of/consul`.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

import settings
from common import paths
from common.topology import CONSUL_SERVER, Tier
from host import golang
from image import consul
from rendering import user_data
from testbed.consul.cluster import LoopbackCluster, Node, wait
from testbed.consul.program import VARIABLE, consul_program, supported_versions
from testbed.image_root import as_booted

VERSIONS = supported_versions()
DEFAULT = golang.version("consul")
OLDER = sorted(VERSIONS.keys() - {DEFAULT})
NAMED = ["named"] if os.environ.get(VARIABLE) else []
ROLES = [CONSUL_SERVER, *Tier]
SERVICE = "acme-router"
START_S = 90.0

pytestmark = pytest.mark.slow  # real programs
# Their programs have to be built first; `make test` runs the image's version everywhere.
older = [pytest.param(version, marks=pytest.mark.exhaustive) for version in OLDER]


def program(version: str) -> Path:
    """The program of a version, built on first use; `named` is that of the environment."""
    if version == "named":
        return consul_program()
    return golang.tool("consul", lambda _: None, VERSIONS[version])


def test_the_versions_that_a_deployment_may_name_are_those_tested_here() -> None:
    tested = {tuple(int(part) for part in version.split(".")[:2]) for version in VERSIONS}
    assert min(tested) == consul.FIRST
    assert max(tested) == consul.LAST


@pytest.mark.timeout(3600)  # a build
@pytest.mark.parametrize("version", [DEFAULT, *older, *NAMED])
@pytest.mark.parametrize("role", ROLES)
def test_version_accepts_the_configuration_of_each_role(
    tmp_path: Path, version: str, role: str
) -> None:
    deployment = settings.load("demo")
    rendered = (
        user_data.for_consul_server(deployment)
        if role == CONSUL_SERVER
        else user_data.for_tier(deployment, deployment.tenants[0], Tier(role))
    )
    for name, text in as_booted(rendered.files).items():
        if Path(name).parent == paths.CONSUL_CONFIG or Path(name) == paths.SERVICE:
            (tmp_path / Path(name).name).write_text(text)
    assert len(list(tmp_path.iterdir())) == (2 if role == CONSUL_SERVER else 3)
    done = subprocess.run(
        [program(version), "validate", str(tmp_path)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "deprecated" not in done.stdout + done.stderr


@pytest.mark.timeout(3600)  # a build
@pytest.mark.parametrize("version", [*older, *NAMED])
def test_servers_and_agents_change_their_version_one_after_the_other(
    cluster: LoopbackCluster, version: str
) -> None:
    """As instance refresh does it: from the older version to the newer one, first the servers."""
    older, newer = program(version), program(DEFAULT)
    if version == "named":
        older, newer = program(DEFAULT), consul_program()
    servers: list[Node] = []
    for _ in range(3):
        servers.append(cluster.start(server=True, join=servers, program=older))
    _led(cluster, servers)
    routers = [_router(cluster, servers, older) for _ in range(2)]
    _see_each_other(routers)

    for old in tuple(servers):
        servers.append(cluster.start(server=True, join=servers, program=newer))
        wait(lambda: _voters(cluster, servers) == _addresses(servers), START_S, "its vote")
        servers.remove(old)
        cluster.lose(old)
        wait(lambda: cluster.leader(servers), START_S, "a leader")
        _led(cluster, servers)
        _see_each_other(routers)
    assert {server.program for server in servers} == {newer}

    for old in tuple(routers):
        routers.append(_router(cluster, servers, newer))
        routers.remove(old)
        cluster.lose(old)
        _see_each_other(routers)


def _router(cluster: LoopbackCluster, servers: list[Node], program: Path) -> Node:
    """An agent of a tenant with a service."""
    router = cluster.start(server=False, join=servers, program=program)
    wait(
        lambda: router.api().agent.service.register(
            SERVICE, service_id=SERVICE, address=str(router.address)
        ),
        START_S, "an agent",
    )  # fmt: skip
    return router


def _see_each_other(routers: list[Node]) -> None:
    """Each sees the services of all living ones, and of no other; each can write the keys."""
    for router in routers:
        wait(lambda r=router: _registered(r) == _addresses(routers), START_S, "services")  # type: ignore[misc]
        assert router.api().kv.put("c4/acme/sources", "{}")


def _registered(node: Node) -> set[str]:
    _, found = node.api().health.service(SERVICE, passing=True)
    return {entry["Service"]["Address"] for entry in found}


def _addresses(nodes: list[Node]) -> set[str]:
    return {str(node.address) for node in nodes}


def _led(cluster: LoopbackCluster, servers: list[Node]) -> None:
    """One round of the leader's agent, which keeps the tokens."""

    def round_() -> bool:
        leader = cluster.leader(servers)
        if leader is None:
            return False
        cluster.lead(leader)
        return True

    wait(round_, START_S, "a round of the leader's agent")


def _voters(cluster: LoopbackCluster, servers: list[Node]) -> set[str]:
    leader = cluster.leader(servers)
    if leader is None:
        return set()
    view = cluster.quorum(leader, START_S)._look()
    assert view is not None
    return {view.servers[raft_id].partition(":")[0] for raft_id in view.voters}
