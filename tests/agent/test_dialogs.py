"""Is the number of calls this instance's own, and does a drain wait for the right ones?"""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from agent.config import Config
from agent.errors import AgentError
from agent.kamailio.dialog_state import State
from agent.kamailio.dialogs import active_calls, calls_to_wait_for, unconfirmed_records
from agent.kamailio.kamcmd import RpcFailed
from common import ports
from common.topology import Role
from testbed.agent_samples import FACTS, config

OTHER = FACTS.node_id + 1


def _dialog(number: int, node: int, state: State) -> dict[str, Any]:
    # As Kamailio 6.0.1 writes it (dlg.dump_file), but for what the agent does not read.
    return {
        "h_entry": 3940, "h_id": node + number * 65_536, "call_id": "c\u00fc0", "state": state,
        "init_ts": int(time.time()) - 5,
        "caller": {"socket": f"udp:10.40.64.5:{ports.SIP_INTERNAL}"}, "variables": {"near": "udp"},
    }  # fmt: skip


def _dialogs() -> list[dict[str, Any]]:
    """Made by each test: building the image may take minutes between import and test."""
    return [
        _dialog(8879, FACTS.node_id, State.CONFIRMED),
        _dialog(1, FACTS.node_id, State.EARLY),
        _dialog(2, FACTS.node_id, State.CONFIRMED_WITHOUT_ACK),
        _dialog(3, FACTS.node_id, State.DELETED),
        _dialog(1, OTHER, State.CONFIRMED),
        _dialog(2, OTHER, State.EARLY),
    ]


class Kamailio:
    """Writes the dialogs where the agent wants them."""

    def __init__(self, dialogs: list[dict[str, Any]]) -> None:
        self.dialogs = dialogs

    def __call__(self, method: str, path: str) -> str:
        assert method == "dlg.dump_file"
        with Path(path).open("a") as dump:  # as Kamailio does
            dump.writelines(json.dumps(d) + "\n" for d in self.dialogs)
        return ""


@pytest.mark.parametrize("role", [Role.SBC, Role.ROUTER])
def test_only_own_calls_that_live_are_counted(role: Role, tmp_path: Path) -> None:
    count = active_calls(config(role=role), FACTS, Kamailio(_dialogs()), tmp_path / "dump")
    assert count == 3


def test_a_router_does_not_wait_for_calls_of_before_its_restart(tmp_path: Path) -> None:
    """Kamailio got the dialog back from a peer; it stays early for the rest of the call."""
    rpc = Kamailio([_returned(1, answered="1"), _dialog(2, FACTS.node_id, State.EARLY)])
    assert calls_to_wait_for(config(role=Role.ROUTER), FACTS, rpc, tmp_path / "dump") == 1


def test_a_router_does_not_wait_for_a_call_that_rings_for_hours(tmp_path: Path) -> None:
    stuck = _dialog(1, FACTS.node_id, State.UNCONFIRMED) | {"init_ts": int(time.time()) - 3600}
    rpc = Kamailio([stuck, _dialog(2, FACTS.node_id, State.UNCONFIRMED)])
    assert calls_to_wait_for(config(role=Role.ROUTER), FACTS, rpc, tmp_path / "dump") == 1
    assert active_calls(config(role=Role.ROUTER), FACTS, rpc, tmp_path / "dump") == 1


def test_an_sbc_waits_for_those_that_were_answered_and_have_not_ended(tmp_path: Path) -> None:
    """Of the others nothing would ever tell that they are over."""
    returned = [
        _returned(1),
        _returned(2, answered="1"),
        _returned(3, answered="1", ended="1"),
    ]
    count = calls_to_wait_for(config(role=Role.SBC), FACTS, Kamailio(returned), tmp_path / "dump")
    assert count == 1


def _returned(number: int, **variables: str) -> dict[str, Any]:
    """A dialog that was early when its node was restarted, as a peer told it."""
    early = _dialog(number, FACTS.node_id, State.EARLY)
    return early | {"caller": {"socket": ""}, "variables": variables}


def test_counting_again_counts_anew_and_leaves_nothing_behind(tmp_path: Path) -> None:
    kamailio = Kamailio(_dialogs())
    counts = [active_calls(config(), FACTS, kamailio, tmp_path / "dump") for _ in range(2)]
    assert counts == [3, 3]
    assert list(tmp_path.iterdir()) == []


def test_threads_do_not_read_each_other_s_dumps(tmp_path: Path) -> None:
    """A drain would take half of a dump for all calls."""
    paths: list[str] = []

    def kamailio(_: str, path: str) -> str:
        paths.append(path)
        return Kamailio(_dialogs())("dlg.dump_file", path)

    def count() -> None:
        active_calls(config(), FACTS, kamailio, tmp_path / "dump")

    count()
    other = threading.Thread(target=count, name="steps")
    other.start()
    other.join()
    assert len(set(paths)) == 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("role", "expected"), [(Role.SBC, 3), (Role.ROUTER, 2)])
def test_a_router_waits_only_for_calls_that_are_not_established(
    role: Role, expected: int, tmp_path: Path
) -> None:
    count = calls_to_wait_for(config(role=role), FACTS, Kamailio(_dialogs()), tmp_path / "dump")
    assert count == expected


@pytest.mark.parametrize("role", [Role.ROUTER_CONFD, Role.CONSUL_SERVER])
def test_tiers_without_calls_say_so(role: Role, tmp_path: Path) -> None:
    def nobody(*_: str) -> str:
        raise AssertionError("asked for calls")

    tier: Config = config(role=role)
    assert active_calls(tier, FACTS, nobody, tmp_path / "dump") is None


def test_a_kamailio_that_does_not_answer_is_not_an_idle_one(tmp_path: Path) -> None:
    def dead(*_: str) -> str:
        raise RpcFailed("connect: No such file or directory")

    with pytest.raises(AgentError, match="active calls: connect"):
        calls_to_wait_for(config(), FACTS, dead, tmp_path / "dump")


def test_a_dump_that_cannot_be_read_is_not_an_idle_kamailio(tmp_path: Path) -> None:
    def broken(_: str, path: str) -> str:
        Path(path).write_text('{"h_id": ')
        return ""

    with pytest.raises(AgentError, match="active calls"):
        calls_to_wait_for(config(), FACTS, broken, tmp_path / "dump")


STATS = """{
	name: limited_calls
	slots: 256
	all: 7
	min: 0
	max: 1
}
{
	name: unconfirmed_records
	slots: 1024
	all: 12
	min: 0
	max: 1
}
"""


def test_records_that_wait_are_counted_on_routers_only() -> None:
    def rpc(*command: str) -> str:
        assert command == ("htable.stats",)
        return STATS

    assert unconfirmed_records(config(role=Role.ROUTER), rpc) == 12
    assert unconfirmed_records(config(role=Role.SBC), rpc) is None


def test_records_that_cannot_be_counted_are_not_none() -> None:
    def dead(*_: str) -> str:
        raise RpcFailed("connect: No such file or directory")

    for rpc in (dead, lambda *_: STATS.replace("unconfirmed_records", "other")):
        with pytest.raises(AgentError, match="unconfirmed records"):
            unconfirmed_records(config(role=Role.ROUTER), rpc)
