"""Which router gets a new call, by each algorithm that the settings allow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from common import ports
from settings import load
from settings.sip import DispatchAlgorithm
from testbed.sip.addresses import CALLEE, CALLER, SBC1, SBC2
from testbed.sip.agent import Agent, Call
from testbed.sip.node import Node
from testbed.sip.plane import Cluster, cluster, wait_until, with_sip

pytestmark = pytest.mark.sip


@pytest.fixture(scope="module")
def plane(image_root: tuple[Path, ...], request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """A plane whose SBCs choose by the parameter."""
    deployment = with_sip(
        load("demo"), dispatch=request.param, edge={"untrusted_calls_per_10s": 1000}
    )
    with cluster(image_root, deployment) as made:
        yield made


def by(*algorithms: DispatchAlgorithm) -> pytest.MarkDecorator:
    """Run with these algorithms; tests of the same one share a plane."""
    return pytest.mark.parametrize("plane", algorithms, indirect=True, ids=str, scope="module")


def ends(plane: Cluster) -> tuple[Agent, Agent]:
    """A caller and a callee that answers at once."""
    caller, callee = plane.ua(CALLER), plane.ua(CALLEE)
    callee.ring_s = 0.0
    return caller, callee


def place(caller: Agent, sbc: tuple[str, int] = SBC1, **options: str) -> Call:
    call = caller.call(sbc, **options)
    assert call.invite().status == 200
    call.ack()
    return call


def router_of(plane: Cluster, call: Call, sbc: str = "sbc1") -> str:
    """Name of the router that carries the call, by the SBC's dialog."""
    listed = plane.nodes[sbc].rpc("dlg.dlg_list", call.call_id, call.local_tag)
    lines = [line.strip() for line in listed.splitlines()]
    uri = next(line.removeprefix("router: ") for line in lines if line.startswith("router: "))
    return next(n.name for n in plane.nodes.values() if uri == uri_of(n))


def uri_of(router: Node) -> str:
    return f"sip:{router.address}:{ports.SIP_INTERNAL.number}"


def distribution(plane: Cluster, number: int) -> Counter[str]:
    """Where so many calls went, one after the other."""
    caller, _ = ends(plane)
    counted: Counter[str] = Counter()
    for _ in range(number):
        call = place(caller)
        counted[router_of(plane, call)] += 1
        assert call.bye().status == 200
    return counted


@by(DispatchAlgorithm.ROUND_ROBIN, DispatchAlgorithm.WEIGHT)
def test_equal_routers_get_equally_many(plane: Cluster) -> None:
    # By weight the second half of 100 choices is the second router's.
    counted = distribution(plane, 100)
    assert counted == {"rtr1": 50, "rtr2": 50}


@by(DispatchAlgorithm.ROUND_ROBIN)
def test_round_robin_alternates(plane: Cluster) -> None:
    caller, _ = ends(plane)
    used = []
    for _ in range(10):
        call = place(caller)
        used.append(router_of(plane, call))
        call.bye()
    assert set(pairwise(used)) == {("rtr1", "rtr2"), ("rtr2", "rtr1")}


@by(DispatchAlgorithm.WEIGHT)
def test_three_to_one(plane: Cluster) -> None:
    sbc, routers = plane.nodes["sbc1"], [plane.nodes[n].address for n in ("rtr1", "rtr2")]
    plane.apply_dispatcher(sbc, routers, weights=[75, 25])
    plane.settle()
    assert distribution(plane, 100) == {"rtr1": 75, "rtr2": 25}
    # Another ratio while calls come: the list is Consul's, and it changes.
    plane.apply_dispatcher(sbc, routers, weights=[10, 90])
    plane.settle()
    assert distribution(plane, 100) == {"rtr1": 10, "rtr2": 90}
    plane.apply_dispatcher(sbc, routers)


@by(DispatchAlgorithm.CALL_ID_HASH)
def test_hash_spreads_calls(plane: Cluster) -> None:
    counted = distribution(plane, 60)
    assert set(counted) == {"rtr1", "rtr2"}
    assert min(counted.values()) >= 12  # 1 in 10^6 runs has fewer


@by(DispatchAlgorithm.CALL_ID_HASH)
def test_same_call_id_same_router_from_either_sbc(plane: Cluster) -> None:
    caller, _ = ends(plane)
    used = set()
    for number in range(8):
        routers = set()
        for sbc, name in ((SBC1, "sbc1"), (SBC2, "sbc2"), (SBC1, "sbc1")):
            call = place(caller, sbc, call_id=f"sticky-{number}")
            routers.add(router_of(plane, call, name))
            assert call.bye().status == 200
        assert len(routers) == 1
        used |= routers
    assert used == {"rtr1", "rtr2"}


# --- call load ----------------------------------------------------------------------------------


def loads(plane: Cluster, sbc: str) -> dict[str, int]:
    """Calls of each router as the SBC counts them."""
    node = plane.nodes[sbc]
    found = {}
    for router in plane.tier("rtr"):
        reply = node.rpc("htable.get", "router_load", uri_of(router), check=False)
        values = [line.split(":")[1] for line in reply.splitlines() if "value:" in line]
        found[router.name] = int(values[0]) if values else 0
    return found


def fill(plane: Cluster, caller: Agent, router: str, number: int) -> list[Call]:
    """That many long calls on one router only."""
    chosen = plane.nodes[router].address
    everything = [r.address for r in plane.tier("rtr")]
    for sbc in plane.tier("sbc"):
        plane.apply_dispatcher(sbc, [chosen])
    calls = [place(caller) for _ in range(number)]
    assert {router_of(plane, c) for c in calls} == {router}
    for sbc in plane.tier("sbc"):
        plane.apply_dispatcher(sbc, everything)
    plane.settle()
    return calls


@by(DispatchAlgorithm.CALL_LOAD)
def test_router_with_long_calls_gets_no_more_until_others_have_as_many(plane: Cluster) -> None:
    caller, _ = ends(plane)
    long = fill(plane, caller, "rtr1", 6)
    later = [place(caller) for _ in range(6)]
    assert {router_of(plane, c) for c in later} == {"rtr2"}
    even = [place(caller) for _ in range(4)]
    assert Counter(router_of(plane, c) for c in even) == {"rtr1": 2, "rtr2": 2}
    for call in (*long, *later, *even):
        assert call.bye().status == 200
    assert loads(plane, "sbc1") == {"rtr1": 0, "rtr2": 0}


@by(DispatchAlgorithm.CALL_LOAD)
@pytest.mark.parametrize("sbc", [SBC1, SBC2], ids=["sbc1", "sbc2"])
def test_ended_calls_free_their_router_on_every_sbc(plane: Cluster, sbc: tuple[str, int]) -> None:
    """Whichever SBC sees the end."""
    caller, callee = ends(plane)
    calls = fill(plane, caller, "rtr2", 4)
    for name in ("sbc1", "sbc2"):
        wait_until(lambda n=name: loads(plane, n) == {"rtr1": 0, "rtr2": 4}, 3, f"{name} counts")  # type: ignore[misc]
    for call in calls[:2]:
        call.peer = sbc
        assert call.bye().status == 200
    for call in calls[2:]:
        other = callee.calls[call.call_id]
        other.peer = sbc
        assert other.bye().status == 200
    for name in ("sbc1", "sbc2"):
        wait_until(lambda n=name: loads(plane, n) == {"rtr1": 0, "rtr2": 0}, 3, f"{name} counts")  # type: ignore[misc]


@by(DispatchAlgorithm.CALL_LOAD)
@pytest.mark.parametrize("how", ["refused", "cancelled"])
def test_calls_that_nobody_took_count_no_longer(plane: Cluster, how: str) -> None:
    caller, callee = ends(plane)
    callee.answer = 486 if how == "refused" else 0
    for _ in range(3):
        result = caller.call(SBC1).invite(cancel_after=None if how == "refused" else 0.3)
        assert result.status == (486 if how == "refused" else 487)
    for name in ("sbc1", "sbc2"):
        wait_until(lambda n=name: loads(plane, n) == {"rtr1": 0, "rtr2": 0}, 3, f"{name} counts")  # type: ignore[misc]


@by(DispatchAlgorithm.CALL_LOAD)
def test_sbc_that_takes_over_knows_the_load(plane: Cluster) -> None:
    """The calls were placed by an SBC that is dead; the others spare the router that carries them,
    and one that comes later does too."""
    caller, _ = ends(plane)
    long = fill(plane, caller, "rtr1", 6)
    dead = plane.nodes["sbc1"]
    dead.kill()
    later = [place(caller, SBC2) for _ in range(5)]
    assert {router_of(plane, c, "sbc2") for c in later} == {"rtr2"}
    plane.revive(dead)
    plane.apply_lists()
    plane.settle()
    wait_until(lambda: loads(plane, "sbc1") == {"rtr1": 6, "rtr2": 5}, 5, "sbc1 counts")
    last = place(caller)
    assert router_of(plane, last) == "rtr2"
    for call in (*long, *later, last):
        assert call.bye().status == 200
    wait_until(lambda: loads(plane, "sbc2") == {"rtr1": 0, "rtr2": 0}, 3, "sbc2 counts")


@by(DispatchAlgorithm.CALL_LOAD)
def test_dead_router_with_the_fewest_calls_is_passed_by(plane: Cluster) -> None:
    caller, _ = ends(plane)
    long = fill(plane, caller, "rtr1", 3)
    plane.nodes["rtr2"].kill()
    result = (call := caller.call(SBC1)).invite()
    assert result.status == 200
    assert result.own_s < 0.9
    call.ack()
    assert router_of(plane, call) == "rtr1"
    for each in (*long, call):
        assert each.bye().status == 200
