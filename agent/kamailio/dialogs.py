"""Count the active calls of this instance and their unconfirmed records, for scaling and drains.

Kamailio's own counters include the replicas of its peers' dialogs, so they count the calls of the
whole tier. Every node numbers the dialogs that it creates in steps of `NODE_ID_STEP`, from a
number of its own (`InstanceFacts.node_id`). So the number of a dialog tells which node created it.
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
from agent.facts import InstanceFacts
from agent.kamailio import kamcmd
from agent.kamailio.dialog_state import State
from agent.kamailio.kamcmd import RpcFailed
from common import paths
from common.kamailio import NODE_ID_STEP, RINGING_LIMIT_S, RINGING_MARGIN_S
from common.topology import Role

DUMP = paths.DIALOGS / "dialogs.json"  # one JSON object per line
Rpc = Callable[..., str]
Dialog = dict[str, Any]  # as Kamailio dumps it
_UNCONFIRMED = re.compile(r"name: unconfirmed_records\s+slots: \d+\s+all: (\d+)")


def active_calls(
    config: Config, facts: InstanceFacts, rpc: Rpc = kamcmd.rpc, dump: Path = DUMP
) -> int | None:
    """Number of this instance's active calls; None on a role without. Raises `AgentError`."""
    return _count(config, facts, rpc, dump, _lives)


def calls_to_wait_for(
    config: Config, facts: InstanceFacts, rpc: Rpc = kamcmd.rpc, dump: Path = DUMP
) -> int | None:
    """Number of calls that would be lost with this instance. Raises `AgentError`.

    An established call does not need its router, as every router can carry it on. Calls of an
    SBC need its public address, and calls of an rtpengine need its ports.
    """
    return _count(config, facts, rpc, dump, _rings if config.role is Role.ROUTER else _lives)


def _lives(dialog: Dialog) -> bool:
    if dialog["state"] < State.CONFIRMED_WITHOUT_ACK:
        variables = dialog["variables"]  # set by the SBC's routes TAKE_OVER_REPLY and IN_DIALOG
        answered = "answered" in variables and "ended" not in variables
        return answered or not (_came_back(dialog) or _is_stale(dialog))
    return bool(dialog["state"] < State.DELETED)


def _rings(dialog: Dialog) -> bool:
    if dialog["state"] >= State.CONFIRMED or _came_back(dialog):
        return False
    return not _is_stale(dialog)


def _is_stale(dialog: Dialog) -> bool:
    """True for a call that cannot be ringing any more.

    A dialog whose transaction did not end it would otherwise count for hours.
    """
    return bool(time.time() - dialog["init_ts"] >= RINGING_LIMIT_S + RINGING_MARGIN_S)


def _came_back(dialog: Dialog) -> bool:
    """True for a dialog that a peer has sent back after a restart.

    It lacks the socket that it began on. Its transaction no longer exists, so Kamailio never
    learns that the call is answered or ended.
    """
    return not dialog["caller"]["socket"]


def unconfirmed_records(config: Config, rpc: Rpc = kamcmd.rpc) -> int | None:
    """Number of call records that router-confd has not confirmed to this router.

    None on other roles. Raises `AgentError`.
    """
    if config.role is not Role.ROUTER:
        return None
    try:
        found = _UNCONFIRMED.search(rpc("htable.stats"))
    except RpcFailed as error:
        raise AgentError(f"unconfirmed records: {error}") from None
    if found is None:
        raise AgentError("unconfirmed records: Kamailio has no such table")
    return int(found[1])


def _count(
    config: Config, facts: InstanceFacts, rpc: Rpc, dump: Path, counts: Callable[[Dialog], bool]
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


def _own_dialogs(facts: InstanceFacts, rpc: Rpc, dump: Path) -> Iterator[Dialog]:
    """The dialogs that this node created."""
    return (d for d in dialogs(rpc, dump) if d["h_id"] % NODE_ID_STEP == facts.node_id)


def dialogs(rpc: Rpc = kamcmd.rpc, dump: Path = DUMP) -> Iterator[Dialog]:
    """All dialogs that Kamailio has. Raises `RpcFailed`, OSError, and ValueError for a bad dump."""
    # Each thread has its own file: a drain must not read another thread's unfinished dump.
    dump = dump.with_stem(f"{dump.stem}-{threading.current_thread().name}")
    dump.unlink(missing_ok=True)  # Kamailio appends
    try:
        rpc("dlg.dump_file", str(dump))
        with dump.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                yield json.loads(line)
    finally:
        dump.unlink(missing_ok=True)  # the dump tells who calls whom, so it must not stay


def _rtpengine(address: str, port: int) -> int:
    """Sessions that this rtpengine owns."""
    answer = probes.ng(address, port, {"command": "statistics"})
    try:
        return int(answer["statistics"]["currentstatistics"]["sessionsown"])
    except (KeyError, TypeError, ValueError):
        raise ProbeFailed("the answer lacks currentstatistics.sessionsown") from None
