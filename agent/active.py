"""Active calls of this instance: what scaling follows, and what a drain waits for."""

from __future__ import annotations

import re
from collections.abc import Callable

from agent import kamcmd, probes
from agent.config import Config, Kind
from agent.errors import AgentError
from agent.facts import Facts
from agent.kamcmd import RpcFailed
from agent.probes import ProbeFailed

_ALL = re.compile(r"^\s*all:\s*(\d+)\s*$", re.MULTILINE)


def calls(config: Config, facts: Facts, rpc: Callable[..., str] = kamcmd.rpc) -> int | None:
    """Number of active calls; None for a tier that has none. Raises `AgentError`."""
    try:
        if config.kind.runs_kamailio:
            return kamailio(rpc)
        if config.kind is Kind.RTP:
            return rtpengine(str(facts.private_ip), config.ports.ng)
    except (RpcFailed, ProbeFailed) as error:
        raise AgentError(f"active calls: {error}") from None
    return None


def kamailio(rpc: Callable[..., str]) -> int:
    """Dialogs that Kamailio counts. Raises `RpcFailed`."""
    reply = rpc("dlg.stats_active")
    found = _ALL.search(reply)
    if found is None:
        raise RpcFailed(f"unexpected reply {reply!r}")
    return int(found.group(1))


def rtpengine(address: str, port: int) -> int:
    """Sessions that this rtpengine owns. Raises `ProbeFailed`."""
    answer = probes.ng(address, port, {"command": "statistics"})
    try:
        return int(answer["statistics"]["currentstatistics"]["sessionsown"])
    except (KeyError, TypeError, ValueError):
        raise ProbeFailed("answers without currentstatistics.sessionsown") from None
