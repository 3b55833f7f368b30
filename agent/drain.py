"""Drain an instance: refuse new calls, wait for present calls and their records, then leave."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from agent import log
from agent.errors import AgentError
from agent.files.atomic import write
from common import paths

SETTLE_S = 3.0  # lists reload, requests in progress end
POLL_S = 2.0
UNKNOWN_LIMIT_S = 60.0  # wait for a service that does not report the number of its calls
RECORDS_LIMIT_S = 300.0  # wait for router-confd, which may never accept some record
HEARTBEAT_S = 30.0  # well below the time limit of the hook
REASON = "c4: draining"


class Consul(Protocol):
    """What a drain needs of `agent.consul.local.LocalConsul`."""

    def maintenance(self, enable: bool, reason: str) -> None: ...
    def deregister(self) -> None: ...
    def leave(self) -> None: ...


class Hooks(Protocol):
    """What a drain needs of `agent.aws.lifecycle_hooks.Hooks`."""

    def complete(self, hook: str) -> None: ...
    def heartbeat(self, hook: str) -> None: ...


@dataclass
class Drain:
    """One drain. After a restart of the agent, `run` continues the drain that it had begun."""

    consul: Consul
    hooks: Hooks
    hook: str
    limit_s: float
    active_calls: Callable[[], int | None]
    unconfirmed_records: Callable[[], int | None]
    unmark_held: Callable[[], None]  # called when no call remains for a successor to take over
    state: Path = paths.DRAIN
    clock: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep

    def run(self) -> None:
        """Drain, then complete the hook. A failed step is logged and does not stop the drain."""
        started = self._started()
        log.info("drain started", limit_s=self.limit_s, since_s=round(self.clock() - started))
        self._attempt("maintenance", lambda: self.consul.maintenance(True, REASON))
        self.sleep(SETTLE_S)
        remaining = self._wait("active calls", self.active_calls, started + self.limit_s)
        # Also when the limit has passed: many calls may have ended before the remaining ones.
        if remaining is not None:
            self._wait(
                "unconfirmed records", self.unconfirmed_records, self.clock() + RECORDS_LIMIT_S
            )
        self._attempt("deregistration", self.consul.deregister)
        self._attempt("leave", self.consul.leave)
        if remaining == 0:
            self._attempt("address", self.unmark_held)
        self._attempt("completion", lambda: self.hooks.complete(self.hook))

    def _started(self) -> float:
        try:
            return float(json.loads(self.state.read_text(encoding="utf-8"))["started"])
        except (OSError, ValueError, KeyError, TypeError):
            now = self.clock()
            write(self.state, json.dumps({"started": now}))
            return now

    def _wait(self, what: str, count: Callable[[], int | None], end: float) -> int | None:
        """The number that remains: 0, or more at `end`; None if it was unknown for too long."""
        beat = self.clock() + HEARTBEAT_S
        known = self.clock()
        while True:
            remaining = self._count(what, count)
            now = self.clock()
            if remaining is not None:
                known = now
            if remaining == 0:
                log.info("drained", of=what)
                return 0
            if now >= end or now - known >= UNKNOWN_LIMIT_S:
                log.warning("drain gives up", of=what, remaining=remaining)
                return remaining
            if now >= beat:
                self._attempt("heartbeat", lambda: self.hooks.heartbeat(self.hook))
                beat = now + HEARTBEAT_S
            self.sleep(POLL_S)

    @staticmethod
    def _count(what: str, count: Callable[[], int | None]) -> int | None:
        """None when the number is unknown: the service may be restarting, or dead."""
        try:
            counted = count()
        except AgentError as error:
            log.warning("drain cannot count", of=what, error=error)
            return None
        return 0 if counted is None else counted

    @staticmethod
    def _attempt(what: str, step: Callable[[], None]) -> None:
        try:
            step()
        except AgentError as error:
            log.error("drain step failed", step=what, error=error)
