"""Are only those dialogs dropped that nobody else will drop?"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from agent.errors import AgentError
from agent.kamailio.dialog_state import State
from agent.kamailio.dialogs import Dialog
from agent.kamailio.kamcmd import RpcFailed
from agent.kamailio.stale_dialogs import StaleDialogs
from common import ports

NODES = (
    f"{{\n\thost: 10.0.0.7\n\tport: {ports.DMQ}\n"
    "\tresolved_ip: 10.0.0.7\n\tstatus: active\n\tlocal: 1\n}"
)
DMQ = ("10.0.0.7", ports.DMQ.number)


def ended(number: int, *, end_ts: int = 0) -> Dialog:
    """A copy has no time of its end."""
    return {"h_entry": 12, "h_id": number, "state": State.DELETED, "end_ts": end_ts}


class Kamailio:
    def __init__(self, *dialogs: Dialog) -> None:
        self.has = list(dialogs)
        self.removed: list[int] = []
        self.unknown: set[int] = set()

    def rpc(self, *command: str) -> str:
        assert command == ("dmq.list_nodes",)
        return NODES

    def dialogs(self) -> Iterator[Dialog]:
        return iter(self.has)

    def remove(self, to: tuple[str, int], h_entry: int, h_id: int, *, source: str) -> bool:
        assert (to, h_entry, source) == (DMQ, 12, DMQ[0])
        self.removed.append(h_id)
        return h_id not in self.unknown


def remains(kamailio: Kamailio) -> StaleDialogs:
    return StaleDialogs(kamailio.rpc, kamailio.dialogs, kamailio.remove)


def test_what_is_still_there_in_the_next_round_is_dropped() -> None:
    living = {"h_entry": 12, "h_id": 2, "state": State.CONFIRMED, "end_ts": 0}
    here = ended(3, end_ts=1_795_000_000)  # Kamailio drops what has ended here
    kamailio = Kamailio(ended(1), living, here)
    agent = remains(kamailio)
    assert agent.forget() == 0, "its peer may live, and do it itself"
    kamailio.has.append(ended(4))
    assert agent.forget() == 1
    assert kamailio.removed == [1]
    assert agent.forget() == 2
    assert kamailio.removed == [1, 1, 4]


def test_one_that_is_gone_meanwhile_does_not_keep_the_others() -> None:
    kamailio = Kamailio(ended(1), ended(2))
    kamailio.unknown = {1}
    agent = remains(kamailio)
    agent.forget()
    assert agent.forget() == 1
    assert kamailio.removed == [1, 2]


def test_a_kamailio_that_does_not_answer_is_an_error() -> None:
    def dead() -> Iterator[Dialog]:
        raise RpcFailed("connect: No such file or directory")

    kamailio = Kamailio()
    with pytest.raises(AgentError, match=r"stale dialogs: .*No such file"):
        StaleDialogs(kamailio.rpc, dead, kamailio.remove).forget()
