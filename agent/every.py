"""Steps that are repeated."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from agent import log
from agent.errors import AgentError


@dataclass
class Every:
    """A step that is due at most every `interval_s`.

    Its errors are logged, not raised: one step must not end the daemon, which answers the
    health checks of a service that is well.
    """

    interval_s: float
    step: Callable[[], object]
    _due: float = field(default=0.0, init=False)

    def run(self, now: float) -> None:
        """Run the step when it is due at `now`, s."""
        if now < self._due:
            return
        self._due = now + self.interval_s
        try:
            self.step()
        except AgentError as error:
            log.warning("step failed", step=self.step.__qualname__, error=error)
        except Exception as error:
            log.error("step broke", step=self.step.__qualname__, error=repr(error))
