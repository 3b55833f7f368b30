"""Ask for the replacement of an instance that stays unhealthy while its peers are healthy.

The group's own health check sees the machine only. A machine that runs, but whose service does
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
    """Probes the instance's service, and calls `replace` when it was unhealthy for `limit_s`.

    It does not when all peers are unhealthy as well: then the fault is elsewhere, and a new
    machine would have it too.
    """

    probe: Probe
    peers_are_healthy: Callable[[], bool]
    replace: Callable[[], None]
    limit_s: float = LIMIT_S
    clock: Callable[[], float] = time.monotonic
    _unhealthy_since: float | None = field(default=None, init=False)

    def run(self) -> None:
        """Do one round. Raises what `peers_are_healthy` and `replace` raise."""
        try:
            self.probe()
        except ProbeFailed as error:
            now = self.clock()
            if self._unhealthy_since is None:
                self._unhealthy_since = now
            if now - self._unhealthy_since < self.limit_s or not self.peers_are_healthy():
                return
            log.error("unhealthy for too long; asking for a replacement", reason=error)
            self.replace()
            self._unhealthy_since = now  # the group may need some time
        else:
            self._unhealthy_since = None

    def forget(self) -> None:
        """Start again, e.g. because somebody has stopped the service on purpose."""
        self._unhealthy_since = None
