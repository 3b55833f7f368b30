"""An instance that stays ill while its peers are well asks to be replaced.

The group's own health check sees the machine only: a machine that runs, but whose service does
not come back, would stay out of every list and still count as capacity.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from agent import log
from agent.checks.health import Probe
from agent.checks.probes import ProbeFailed

LIMIT_S = 300.0


@dataclass
class SelfCheck:
    """Probes the own service; `replace` is called when it was ill for `limit_s`.

    Not when all peers are ill as well: then the fault is elsewhere, and a new machine would
    have it too.
    """

    probe: Probe
    peers_are_well: Callable[[], bool]
    replace: Callable[[], None]
    limit_s: float = LIMIT_S
    clock: Callable[[], float] = time.monotonic
    _ill_since: float | None = field(default=None, init=False)

    def run(self) -> None:
        """One round. Raises what `peers_are_well` and `replace` raise; repeat it."""
        try:
            self.probe()
        except ProbeFailed as error:
            now = self.clock()
            if self._ill_since is None:
                self._ill_since = now
            if now - self._ill_since < self.limit_s or not self.peers_are_well():
                return
            log.error("ill for too long, asking for replacement", reason=error)
            self.replace()
            self._ill_since = now  # the group may need a while
        else:
            self._ill_since = None

    def forget(self) -> None:
        """Begin anew, e.g. because somebody has stopped the service on purpose."""
        self._ill_since = None
