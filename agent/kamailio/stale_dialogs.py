"""Remove stale dialogs: replicas of ended dialogs whose node died before it had them removed.

At most `end_timeout` after the end of a call, its node has its peers remove their replicas. When
the node died before that, the peers keep the ended replicas for ever.
WORKAROUND(kamailio-6.0.1, no upstream issue known): the dialog module removes only ended dialogs
that have an end time of their own, which replicas do not have.
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
    """Removes what was ended in two rounds, which must be further apart than `end_timeout`.

    A replica's own times do not tell when the call ended, because all nodes send their dialogs
    again when a node joins.
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
        """Do one round and return the number of removed dialogs. Raises `AgentError`."""
        try:
            ended = {(d["h_entry"], d["h_id"]) for d in self._dialogs() if _is_ended_copy(d)}
            old = ended & self._seen
            self._seen = ended
            dropped = self._drop(old) if old else 0
        except (RpcFailed, OSError, ValueError, KeyError, TypeError) as error:
            raise AgentError(f"stale dialogs: {error!r}") from None
        if dropped:
            log.info("stale dialogs removed", dialogs=dropped)
        return dropped

    def _drop(self, old: set[Key]) -> int:
        own = dmq.own_node(dmq.nodes(self._rpc))
        to = own.host, own.port
        return sum(self._remove(to, *key, source=own.host) for key in sorted(old))


def _is_ended_copy(dialog: Dialog) -> bool:
    return bool(dialog["state"] == State.DELETED and dialog["end_ts"] == 0)
