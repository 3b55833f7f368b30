"""Does a Consul server go on alone when, and only when, no majority can be anywhere else?"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from agent.consul import quorum
from agent.consul.quorum import Quorum, View
from agent.errors import AgentError
from common import ports

# As EC2 makes them; OWN is the lowest.
OWN, *OTHERS = [f"i-0{digit}23456789abcdef0" for digit in "12345"]
GONE, NEW = OTHERS[:2], ["i-0a23456789abcdef0", "i-0b23456789abcdef0"]


def _rpc(number: int) -> str:
    """Address of a server, as Raft has it."""
    return f"10.40.64.{number}:{ports.CONSUL_RPC}"


def _servers(instances: list[str]) -> dict[str, str]:
    return {quorum.node_id(i): _rpc(n) for n, i in enumerate(instances, 4)}


def _view(own: str, voters: list[str], running: list[str], waiting: Sequence[str] = ()) -> View:
    """What `own` sees when the other voters are forgotten; those `waiting` have no vote yet."""
    return View(
        own=own,
        servers=_servers([*voters, *waiting]),
        voters=frozenset(_servers(voters)),
        states=dict.fromkeys(running, "running"),
        members=frozenset(running),
    )


# Two of three are gone; their replacements talk to this server.
LOST = View(
    own=OWN,
    servers=_servers([OWN, *GONE]),
    voters=frozenset(_servers([OWN, *GONE])),
    states={OWN: "running", **dict.fromkeys(GONE, "terminated"), **dict.fromkeys(NEW, "running")},
    members=frozenset({OWN, *NEW, "i-0c23456789abcdef0"}),
)


def test_it_goes_on_when_the_majority_is_terminated() -> None:
    assert quorum.obstacle(LOST) is None
    assert json.loads(quorum.peers(LOST)) == [
        {"id": quorum.node_id(OWN), "address": _rpc(4), "non_voter": False}
    ]


def test_it_goes_on_when_ec2_has_forgotten_the_terminated_ones() -> None:
    assert quorum.obstacle(replace(LOST, states={OWN: "running"})) is None


@pytest.mark.parametrize("state", ["pending", "running", "shutting-down", "stopping", "stopped"])
def test_it_waits_while_one_more_may_be_alive(state: str) -> None:
    """Whatever gossip says: that one may be on the other side of a broken network."""
    states = {**LOST.states, GONE[0]: state}
    reason = quorum.obstacle(replace(LOST, states=states))
    assert reason == f"a majority may be alive: {sorted([OWN, GONE[0]])}"


def test_it_waits_while_it_does_not_see_a_new_server() -> None:
    """The new ones may follow a leader of their own, who would have reached this one."""
    reason = quorum.obstacle(replace(LOST, members=frozenset({OWN, NEW[0]})))
    assert reason == f"no contact with {[NEW[1]]}"


def test_it_trusts_no_answer_that_does_not_show_itself() -> None:
    reason = quorum.obstacle(replace(LOST, states={}))
    assert reason is not None and reason.startswith("EC2 does not show this instance")


def test_a_new_server_has_no_say() -> None:
    reason = quorum.obstacle(replace(LOST, own=NEW[0]))
    assert reason == "Raft does not know this server"


def test_who_has_a_vote_decides_before_those_who_wait_for_theirs() -> None:
    first, last = OWN, OTHERS[2]  # the lower id has no vote
    view = _view(first, [last, *GONE], [first, last], waiting=[first])
    assert quorum.obstacle(view) == f"{last} decides"
    assert quorum.obstacle(replace(view, own=last)) is None


@pytest.mark.parametrize("own", NEW)
def test_without_any_voter_one_that_waits_goes_on(own: str) -> None:
    """The one that had saved the cluster dies before the new ones have their votes."""
    expected = None if own == NEW[0] else f"{NEW[0]} decides"
    assert quorum.obstacle(_view(own, [OWN], NEW, waiting=NEW)) == expected


def test_it_waits_when_it_cannot_tell_whose_vote_it_is() -> None:
    unknown = "7d4f21f0-3c33-4f5b-8c3e-1d0c2ad5c6ff"
    reason = quorum.obstacle(replace(LOST, servers={**LOST.servers, unknown: _rpc(9)}))
    assert reason == f"the instance of ['{unknown}'] is not known"


@pytest.mark.parametrize("own", [OWN, OTHERS[0]])
def test_of_two_survivors_of_five_one_decides(own: str) -> None:
    expected = None if own == OWN else f"{OWN} decides"
    assert quorum.obstacle(_view(own, [OWN, *OTHERS], [OWN, OTHERS[0]])) == expected


def test_three_survivors_of_five_elect_without_help() -> None:
    survivors = [OWN, *OTHERS[:2]]
    reason = quorum.obstacle(_view(OWN, [OWN, *OTHERS], survivors))
    assert reason == f"a majority may be alive: {survivors}"


@pytest.mark.parametrize("instance", [OWN, "i-0000abcd", "i-00000000000000001"])
def test_a_raft_id_names_the_instance(instance: str) -> None:
    assert quorum.instance_of(quorum.node_id(instance)) == instance


@pytest.mark.parametrize("raft_id", ["", _rpc(4), "7d4f21f0-3c33-4f5b-8c3e-1d0c2ad5c6ff", "0" * 32])
def test_other_raft_ids_name_none(raft_id: str) -> None:
    assert quorum.instance_of(raft_id) is None


class Watched:
    """A `Quorum` whose leader, time and view the test sets."""

    def __init__(self, folder: Path) -> None:
        self.leader, self.now, self.looks, self.view = "", 0.0, 0, LOST
        status = SimpleNamespace(leader=lambda: self.leader)
        self.quorum = Quorum(
            own=OWN, tags={}, api=SimpleNamespace(status=status), ec2=lambda: cast(Any, None),
            limit_s=60, recovery=folder / "peers.json", clock=lambda: self.now,
        )  # fmt: skip
        self.quorum._look = self._look  # type: ignore[method-assign]

    def _look(self) -> View | None:
        self.looks += 1
        return self.view

    def at(self, now: float, leader: str = "") -> bool:
        """One round; True when the decision is there (and takes it away)."""
        self.now, self.leader = now, leader
        self.quorum.run()
        decided = self.quorum.recovery.exists()
        self.quorum.recovery.unlink(missing_ok=True)
        return decided


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    return Watched(tmp_path)


def test_it_decides_after_the_limit_and_not_again_at_once(watched: Watched) -> None:
    times = [100, 130, 159, 160, 165, 219, 220]
    assert [watched.at(now) for now in times] == [False, False, False, True, False, False, True]


def test_a_leader_in_between_starts_the_time_anew(watched: Watched) -> None:
    assert [watched.at(100), watched.at(150, _rpc(5)), watched.at(165)] == [False] * 3
    assert watched.looks == 0, "EC2 is not asked while all is well"
    assert watched.at(225)


def test_an_obstacle_is_looked_at_again(watched: Watched) -> None:
    watched.view = replace(LOST, members=frozenset({OWN}))
    assert [watched.at(0), watched.at(60), watched.at(65)] == [False] * 3
    watched.view = LOST
    assert watched.at(70)


def test_nothing_is_decided_while_consul_does_not_answer(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails() -> None:
        raise AgentError("state of the servers: no answer")

    watched.at(0)
    monkeypatch.setattr(watched.quorum, "_look", fails)
    with pytest.raises(AgentError):
        watched.at(60)
    assert not watched.quorum.recovery.exists()
