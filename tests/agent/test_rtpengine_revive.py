"""Is an rtpengine that answers again used again, and one that hangs left alone?"""

from __future__ import annotations

from agent.checks.probes import ProbeFailed
from agent.kamailio import rtpengine_revive
from common import ports


def node(address: str, set_id: int, *, disabled: int = 0, active: int = 0) -> str:
    """One of the tables that kamcmd prints for `rtpengine.show all`."""
    return (
        f"{{\n\turl: udp:{address}:{ports.RTPENGINE_NG}\n\tset: {set_id}\n\tindex: 0\n\tweight: 1\n"
        f"\tdisabled: {disabled}\n\tactive: {active}\n\trecheck_ticks: 60\n}}\n"
    )


SHOWN = "".join((
    node("10.0.0.1", 0, active=1),
    node("10.0.0.1", 4127),  # answers again
    node("10.0.0.1", 65536),
    node("10.0.0.2", 0),  # hangs
    node("10.0.0.3", 0, disabled=1),  # taken out by an operator
    node("10.0.0.4", 0, active=1),
))  # fmt: skip


class Kamailio:
    """Its RPC; and the rtpengines that answer a ping."""

    def __init__(self) -> None:
        self.commands: list[tuple[str, ...]] = []

    def rpc(self, *command: str) -> str:
        self.commands.append(command)
        return SHOWN if command == ("rtpengine.show", "all") else ""

    def ping(self, address: str, port: int, timeout: float) -> str:
        assert port == ports.RTPENGINE_NG.number
        assert timeout <= rtpengine_revive.PING_TIMEOUT_S
        assert address in ("10.0.0.1", "10.0.0.2"), "nobody asked for it"
        if address == "10.0.0.2":
            raise ProbeFailed("no answer")
        return "pong"


def test_only_those_that_answer_are_asked_by_kamailio() -> None:
    kamailio = Kamailio()
    url = f"udp:10.0.0.1:{ports.RTPENGINE_NG}"
    assert rtpengine_revive.revive(kamailio.rpc, kamailio.ping) == [url]
    assert kamailio.commands == [
        ("rtpengine.show", "all"), ("rtpengine.ping", url),
    ]  # fmt: skip
