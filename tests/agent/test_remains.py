"""Are only those dialogs dropped that nobody else will drop?"""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from agent import remains
from agent.active import Dialog, State
from agent.errors import AgentError
from agent.kamcmd import RpcFailed

NODES = (
    "{\n\thost: 10.0.0.7\n\tport: 5090\n\tresolved_ip: 10.0.0.7\n\tstatus: active\n\tlocal: 1\n}"
)
LONG, SHORT = 61, 59  # s


def dialog(number: int, state: State, age_s: int, *, end_ts: int = 0) -> Dialog:
    return {"h_entry": 12, "h_id": number, "state": state, "init_ts": int(time.time()) - age_s,
            "end_ts": end_ts}  # fmt: skip


def dialogs() -> Iterator[Dialog]:
    yield dialog(1, State.DELETED, LONG)
    yield dialog(2, State.DELETED, SHORT)  # its peer will say so, or is dead not long enough
    yield dialog(3, State.CONFIRMED, LONG)
    yield dialog(4, State.DELETED, LONG, end_ts=1_795_000_000)  # ended here: Kamailio's matter


class Kamailio:
    def __init__(self) -> None:
        self.told: list[tuple[tuple[str, int], int, int, str]] = []

    def rpc(self, *command: str) -> str:
        assert command == ("dmq.list_nodes",)
        return NODES

    def remove(self, to: tuple[str, int], h_entry: int, h_id: int, *, source: str) -> None:
        self.told.append((to, h_entry, h_id, source))


def test_only_what_ended_elsewhere_long_ago_is_dropped() -> None:
    kamailio = Kamailio()
    assert remains.forget(kamailio.rpc, dialogs, kamailio.remove) == 1
    assert kamailio.told == [(("10.0.0.7", 5090), 12, 1, "10.0.0.7")]


def test_without_any_nothing_is_asked() -> None:
    def nobody(*_: str) -> str:
        raise AssertionError("asked")

    assert remains.forget(nobody, lambda: iter(()), Kamailio().remove) == 0


def test_a_kamailio_that_does_not_answer_is_an_error() -> None:
    def dead(*_: str) -> str:
        raise RpcFailed("connect: No such file or directory")

    with pytest.raises(AgentError, match=r"dialogs of dead peers: .*No such file"):
        remains.forget(dead, dialogs, Kamailio().remove)
