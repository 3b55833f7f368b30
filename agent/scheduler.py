"""Tasks that are repeated at intervals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from agent import log
from agent.errors import AgentError


@dataclass
class Task:
    """A task that is due at most every `interval_s`.

    Its errors are logged, not raised: a task must not end the daemon, which answers the health
    checks of a healthy service.
    """

    interval_s: float
    action: Callable[[], object]
    _due: float = field(default=0.0, init=False)

    def run(self, now: float) -> None:
        """Run the task when it is due at `now`, s."""
        if now < self._due:
            return
        self._due = now + self.interval_s
        try:
            self.action()
        except AgentError as error:
            log.warning("task failed", task=self.action.__qualname__, error=error)
        except Exception as error:
            log.error("unexpected error in task", task=self.action.__qualname__, error=repr(error))
