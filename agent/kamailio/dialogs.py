"""Active calls of this instance, and their records: what scaling follows, and drains wait for.

Kamailio's own counters include the dialogs that its peers replicate to it, so they tell the
size of the whole tier. Every node numbers the dialogs that it made from its own start in steps
of `NODE_ID_STEP` (`Facts.node_id`): the number tells whose a dialog is.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from agent.checks import probes
from agent.checks.probes import ProbeFailed
from agent.config import Config
from agent.errors import AgentError
from agent.facts import Facts
from agent.kamailio import kamcmd
from agent.kamailio.dialog_state import State
from agent.kamailio.kamcmd import RpcFailed
from common import paths
from common.kamailio import NODE_ID_STEP, RINGING_LIMIT_S, RINGING_MARGIN_S
from common.topology import Role

DUMP = paths.DIALOGS / "dialogs.json"  # one JSON object per line
Rpc = Callable[..., str]
Dialog = dict[str, Any]  # as Kamailio dumps it
_UNSENT = re.compile(r"name: unconfirmed_records\s+slots: \d+\s+all: (\d+)")


def calls(config: Config, facts: Facts, rpc: Rpc = kamcmd.rpc, dump: Path = DUMP) -> int | None:
    """Number of active calls of this instance; None for a tier without. Raises `AgentError`."""
    return _count(config, facts, rpc, dump, _lives)


def bound(config: Config, facts: Facts, rpc: Rpc = kamcmd.rpc, dump: Path = DUMP) -> int | None:
    """Number of calls that would be lost with this instance. Raises `AgentError`.

    An established call needs no particular router: every router can carry it on. An SBC's
    calls need its public address, an rtpengine's their ports.
    """
    return _count(config, facts, rpc, dump, _rings if config.role is Role.ROUTER else _lives)


def _lives(dialog: Dialog) -> bool:
    if dialog["state"] < State.CONFIRMED_WITHOUT_ACK:
        variables = dialog["variables"]  # the SBC's notes: TAKE_OVER_REPLY, IN_DIALOG
        answered = "answered" in variables and "ended" not in variables
        return answered or not (_came_back(dialog) or _is_stale(dialog))
    return bool(dialog["state"] < State.DELETED)


def _rings(dialog: Dialog) -> bool:
    if dialog["state"] >= State.CONFIRMED or _came_back(dialog):
        return False
    return not _is_stale(dialog)


def _is_stale(dialog: Dialog) -> bool:
    """Of a call that cannot ring any more: one whose transaction went another way than to its end
    would stay for hours.
    """
    return bool(time.time() - dialog["init_ts"] >= RINGING_LIMIT_S + RINGING_MARGIN_S)


def _came_back(dialog: Dialog) -> bool:
    """From a peer after a restart, without the socket that it began on: its transaction is no more,
    and Kamailio never learns that it is answered or ends.
    """
    return not dialog["caller"]["socket"]


def unsent(config: Config, rpc: Rpc = kamcmd.rpc) -> int | None:
    """Call records that router-confd has not confirmed to this router. Raises `AgentError`."""
    if config.role is not Role.ROUTER:
        return None
    try:
        found = _UNSENT.search(rpc("htable.stats"))
    except RpcFailed as error:
        raise AgentError(f"unsent records: {error}") from None
    if found is None:
        raise AgentError("unsent records: Kamailio has no such table")
    return int(found[1])


def _count(
    config: Config, facts: Facts, rpc: Rpc, dump: Path, counts: Callable[[Dialog], bool]
) -> int | None:
    try:
        if config.role.runs_kamailio:
            return sum(map(counts, _own_dialogs(facts, rpc, dump)))
        if config.role is Role.RTP:
            return _rtpengine(str(facts.private_ip), config.ports.ng)
    except (RpcFailed, ProbeFailed) as error:
        raise AgentError(f"active calls: {error}") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise AgentError(f"active calls: {dump}: {error!r}") from None
    return None


def _own_dialogs(facts: Facts, rpc: Rpc, dump: Path) -> Iterator[Dialog]:
    """The dialogs that this node made."""
    return (d for d in dialogs(rpc, dump) if d["h_id"] % NODE_ID_STEP == facts.node_id)


def dialogs(rpc: Rpc = kamcmd.rpc, dump: Path = DUMP) -> Iterator[Dialog]:
    """All dialogs that Kamailio has. Raises `RpcFailed`, OSError, and ValueError for a bad dump."""
    # A drain must not read what another thread's dump has just begun to write.
    dump = dump.with_stem(f"{dump.stem}-{threading.current_thread().name}")
    dump.unlink(missing_ok=True)  # Kamailio appends
    try:
        rpc("dlg.dump_file", str(dump))
        with dump.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                yield json.loads(line)
    finally:
        dump.unlink(missing_ok=True)  # who calls whom is nobody's business


def _rtpengine(address: str, port: int) -> int:
    """Sessions that this rtpengine owns."""
    answer = probes.ng(address, port, {"command": "statistics"})
    try:
        return int(answer["statistics"]["currentstatistics"]["sessionsown"])
    except (KeyError, TypeError, ValueError):
        raise ProbeFailed("answers without currentstatistics.sessionsown") from None
