"""Forget the dialogs of calls that ended on a peer that died before it told the others to.

Some time after the end of a call (`end_timeout` at most) its node has its peers drop their copies.
When that node has died before, they keep the ended copies for ever.
WORKAROUND(kamailio-6.0.1, no upstream issue known): the dialog module clears away only ended
dialogs that have a time of their end, and copies have none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from agent import log
from agent.errors import AgentError
from agent.kamailio import dmq, kamcmd
from agent.kamailio.dialog_state import State
from agent.kamailio.dialogs import Dialog
from agent.kamailio.dialogs import dialogs as every_dialog
from agent.kamailio.kamcmd import RpcFailed

Key = tuple[int, int]


class StaleDialogs:
    """Drops what it has found ended in two rounds, which are further apart than `end_timeout`.

    A copy's own times do not tell when the call ended: a node that joins makes all send them anew.
    """

    def __init__(
        self,
        rpc: Callable[..., str] = kamcmd.rpc,
        dialogs: Callable[[], Iterator[Dialog]] = every_dialog,
        remove: Callable[..., bool] = dmq.remove_dialog,
    ) -> None:
        self._rpc = rpc
        self._dialogs = dialogs
        self._remove = remove
        self._seen: set[Key] = set()

    def forget(self) -> int:
        """Number of dialogs that were dropped. Raises `AgentError`."""
        try:
            ended = {(d["h_entry"], d["h_id"]) for d in self._dialogs() if _is_ended_copy(d)}
            old = ended & self._seen
            self._seen = ended
            dropped = self._drop(old) if old else 0
        except (RpcFailed, OSError, ValueError, KeyError, TypeError) as error:
            raise AgentError(f"copies of ended dialogs: {error!r}") from None
        if dropped:
            log.info("copies of ended dialogs dropped", dialogs=dropped)
        return dropped

    def _drop(self, old: set[Key]) -> int:
        own = dmq.own_node(dmq.nodes(self._rpc))
        to = own.host, own.port
        return sum(self._remove(to, *key, source=own.host) for key in sorted(old))


def _is_ended_copy(dialog: Dialog) -> bool:
    return bool(dialog["state"] == State.DELETED and dialog["end_ts"] == 0)
