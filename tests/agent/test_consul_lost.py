"""Do agents and services find together again when Consul's servers die and new ones come?

Real servers and agents with the configuration of instances; the test does what the servers'
agents do in their rounds, and what systemd does for them.
"""

from __future__ import annotations

import datetime
import time
from collections.abc import Sequence

import pytest

from agent.consul import catalogue_age
from common import ports
from testbed.consul.cluster import LoopbackCluster, Node, wait

pytestmark = pytest.mark.slow  # real Consul servers

SERVICE = "acme-router"
LIMIT_S = 2.0  # without a leader, instead of a minute
START_S = 90.0
SYNC_S = 60.0  # an agent that has met a dead server waits for up to 30 s


def _servers(cluster: LoopbackCluster, count: int) -> list[Node]:
    """A new cluster, whose leader's agent has done its duties once."""
    servers: list[Node] = []
    for _ in range(count):
        servers.append(cluster.start(server=True, join=servers))
    _led(cluster, servers)
    wait(lambda: _voters(cluster, servers) == _addresses(servers), START_S, "all votes")
    return servers


def _led(cluster: LoopbackCluster, servers: Sequence[Node]) -> Node:
    """The leader of these, after a round of its agent."""
    wait(lambda: cluster.leader(servers), START_S, "a leader")
    leader = cluster.leader(servers)
    assert leader is not None

    def led() -> bool:
        cluster.lead(leader)
        return True

    wait(led, START_S, "a round of the leader's agent")
    return leader


def _routers(cluster: LoopbackCluster, servers: Sequence[Node], count: int) -> list[Node]:
    """Agents of a tenant with a service each."""
    routers = [cluster.start(server=False, join=servers) for _ in range(count)]
    for router in routers:
        wait(
            lambda r=router: r.api().agent.service.register(  # type: ignore[misc]
                SERVICE, service_id=SERVICE, address=str(r.address)
            ),
            START_S, "an agent",
        )  # fmt: skip
    wait(lambda: _registered(routers[0]) == _addresses(routers), START_S, "services")
    return routers


def _registered(node: Node) -> set[str]:
    """Instances of the service, as the tenant sees them through one of its own agents."""
    _, found = node.api().health.service(SERVICE, passing=True)
    return {entry["Service"]["Address"] for entry in found}


def _members(cluster: LoopbackCluster, node: Node) -> set[str]:
    return {m["Name"] for m in node.api(cluster.management()).agent.members()}


def _addresses(nodes: Sequence[Node]) -> set[str]:
    return {str(node.address) for node in nodes}


def _voters(cluster: LoopbackCluster, servers: Sequence[Node]) -> set[str]:
    leader = cluster.leader(servers)
    if leader is None:
        return set()
    view = cluster.quorum(leader, LIMIT_S)._look()
    assert view is not None
    return {view.servers[raft_id].partition(":")[0] for raft_id in view.voters}


def _goes_on(cluster: LoopbackCluster, node: Node, limit_s: float) -> bool:
    """True when the server's agent decides within `limit_s` that it goes on alone."""
    quorum = cluster.quorum(node, LIMIT_S)
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        quorum.run()
        if cluster.recover(node):
            return True
        time.sleep(0.5)
    return False


def test_services_are_back_when_all_servers_are_new(cluster: LoopbackCluster) -> None:
    old = _servers(cluster, 3)
    routers = _routers(cluster, old, 2)
    lost = datetime.datetime.now(datetime.UTC)
    cluster.lose(*old)
    new = _servers(cluster, 3)
    assert cluster.leader(new) in new

    # One round of the leader's agent was enough: gossip tells the others.
    wait(lambda: all(_registered(n) == _addresses(routers) for n in routers), SYNC_S, "services")
    expected = {node.name for node in (*new, *routers)}
    wait(lambda: _members(cluster, _led(cluster, new)) == expected, START_S, "only who is alive")
    made = [
        catalogue_age.token_made(str(router.address), ports.CONSUL_HTTP.number)
        for router in routers
    ]
    assert min(made) > lost, "so the agents know that who is absent may just be late"
    # And what happens from now on is seen.
    routers[1].kill()
    wait(lambda: _registered(routers[0]) == _addresses(routers[:1]), 10, "a dead one leaves")


def test_a_server_goes_on_when_the_others_are_terminated(cluster: LoopbackCluster) -> None:
    servers = _servers(cluster, 3)
    routers = _routers(cluster, servers, 2)
    made = catalogue_age.token_made(str(routers[0].address), ports.CONSUL_HTTP.number)
    leader = cluster.leader(servers)
    assert leader is not None
    left, other = (server for server in servers if server is not leader)
    for lost in (leader, other):
        lost.kill()  # but EC2 says that they run: they may be beyond a broken network
    assert not _goes_on(cluster, left, LIMIT_S + 4)

    cluster.lose(leader, other)
    new = [cluster.start(server=True, join=[left]) for _ in range(2)]
    for server in new:  # they wait to be let in, and decide nothing
        wait(lambda s=server: s.api().status.peers() == [], START_S, "a new server")  # type: ignore[misc]
        assert not _goes_on(cluster, server, LIMIT_S + 1)
    assert _goes_on(cluster, left, LIMIT_S + 10)
    now = [left, *new]
    wait(lambda: cluster.leader(now) is left, START_S, "a leader")
    assert _registered(routers[0]) == _addresses(routers), "nothing was forgotten"
    assert catalogue_age.token_made(str(routers[0].address), ports.CONSUL_HTTP.number) == made
    wait(lambda: _voters(cluster, now) == _addresses(now), START_S, "votes of the new servers")

    # The cluster is as good as before: it survives the one that saved it.
    _led(cluster, now)
    cluster.lose(left)
    wait(lambda: cluster.leader(new) in new, START_S, "a leader of the new ones")


def test_of_two_survivors_of_five_one_lets_in_the_other(cluster: LoopbackCluster) -> None:
    servers = _servers(cluster, 5)
    cluster.lose(*servers[:3])
    first, second = sorted(servers[3:], key=lambda server: server.instance_id)
    assert not _goes_on(cluster, second, LIMIT_S + 3)
    assert _goes_on(cluster, first, LIMIT_S + 3)
    survivors = [first, second]
    wait(lambda: cluster.leader(survivors) is first, START_S, "a leader")
    wait(lambda: _voters(cluster, survivors) == _addresses(survivors), START_S, "both votes")
