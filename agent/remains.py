"""Forget the dialogs of calls that ended on a peer that died before it told the others to.

Some seconds after the end of a call its node has its peers drop their copies. They keep those of
a node that did not live so long, ended, for ever: Kamailio 6.0.1 clears away only what has a
time of its own end, which copies have not.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from agent import active, dmq, kamcmd, log
from agent.active import Dialog, State
from agent.errors import AgentError
from agent.kamcmd import RpcFailed

AGE_S = 60  # a peer that lives has long done it; more than the life of any transaction


def forget(
    rpc: Callable[..., str] = kamcmd.rpc,
    dialogs: Callable[[], Iterator[Dialog]] = active.dialogs,
    remove: Callable[..., None] = dmq.remove_dialog,
) -> int:
    """Number of dialogs that were dropped. Raises `AgentError`."""
    try:
        old = [(d["h_entry"], d["h_id"]) for d in dialogs() if _remains(d)]
        if not old:
            return 0
        own = next(node for node in dmq.nodes(rpc) if node.local)
        for h_entry, h_id in old:
            remove((own.host, own.port), h_entry, h_id, source=own.host)
    except (RpcFailed, OSError, ValueError, KeyError, TypeError, StopIteration) as error:
        raise AgentError(f"dialogs of dead peers: {error!r}") from None
    log.info("dialogs of dead peers dropped", dialogs=len(old))
    return len(old)


def _remains(dialog: Dialog) -> bool:
    # A copy's `init_ts` is when it was told of the end.
    ended = dialog["state"] == State.DELETED and dialog["end_ts"] == 0
    return bool(ended and time.time() - dialog["init_ts"] > AGE_S)
