"""Keeps the directory equal to the database.

One connection listens for change notifications and fetches the changed rows. It is probed every
second; when it is lost, everything is loaded anew on the next one, while the old copy goes on
answering until it is older than the stated staleness.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import random
import sys
import time
from collections import defaultdict

from router_confd.database.engine import Connection, Database, is_unavailable
from router_confd.directory.load import load, refresh
from router_confd.directory.store import Directory

CHANNEL = "router_confd"
EVERYTHING = "*"
SYNC = "sync"  # a writer on this instance waits for its own change to arrive
HEARTBEAT = 1.0  # seconds
RETRY = (0.2, 2.0)  # seconds: random wait between attempts to connect
LOAD_TIMEOUT = 15.0  # seconds per step of a load

log = logging.getLogger(__name__)


class Stale(Exception):
    """The directory is not loaded, or older than allowed: ask another instance."""


class Sync:
    """Owner of the current Directory."""

    def __init__(self, database: Database, max_staleness: float) -> None:
        self._database = database
        self._max_staleness = max_staleness
        self._directory: Directory | None = None
        self._confirmed = 0.0  # monotonic time at which the copy was known to be equal
        self._changes: asyncio.Queue[str] = asyncio.Queue()
        self._waiting: dict[str, asyncio.Event] = {}
        self.loads = 0  # full loads since the start

    @property
    def age(self) -> float:
        """Seconds since the copy was known to be equal to the database; inf before the load."""
        return time.monotonic() - self._confirmed if self._directory else float("inf")

    @property
    def connected(self) -> bool:
        return self.age < 3 * HEARTBEAT

    def directory(self) -> Directory:
        """The configuration. Raises Stale."""
        if self._directory is None or self.age > self._max_staleness:
            raise Stale
        return self._directory

    def peek(self) -> Directory | None:
        """The configuration however old; None before the first load."""
        return self._directory

    def expect(self, token: str) -> None:
        """Announce an `arrival` of this token, before the change is committed."""
        self._waiting[token] = asyncio.Event()

    async def arrival(self, token: str, timeout: float = 1.0) -> None:
        """Wait until the expected change is applied here, or the timeout (seconds) is over."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._waiting[token].wait()

    def forget(self, token: str) -> None:
        """No longer expect this token."""
        self._waiting.pop(token, None)

    async def run(self) -> None:
        """Follow the database for ever."""
        while True:
            try:
                await self._follow()
            except Exception as error:
                if not is_unavailable(error):
                    log.exception("lost track of the database, loading anew")
                else:
                    log.warning("database not available: %s", type(error).__name__)
            await asyncio.sleep(random.uniform(*RETRY))

    async def _follow(self) -> None:
        connection = await self._database.connect(statement_timeout=LOAD_TIMEOUT)
        try:
            await connection.set_type_codec(
                "uuid", schema="pg_catalog", encoder=str, decoder=sys.intern
            )
            self._changes = asyncio.Queue()
            await connection.add_listener(CHANNEL, self._notified)
            started = time.monotonic()
            await self._load(connection)
            self._confirmed = started
            while True:
                await self._step(connection)
        finally:
            # Not close(): that waits for a server which may be gone.
            connection.terminate()

    async def _load(self, connection: Connection) -> None:
        started = time.monotonic()
        self._directory = await load(connection)
        # Nothing in it is garbage before it is replaced, and then its last reference goes. To look
        # through all of it again and again would hold up calls, 0.2 s with a million DIDs.
        gc.freeze()
        self.loads += 1
        log.info("loaded the configuration in %.1f s", time.monotonic() - started)

    async def _step(self, connection: Connection) -> None:
        changes: list[str] = []
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(HEARTBEAT):
                changes.append(await self._changes.get())
        started = time.monotonic()
        while not self._changes.empty():
            changes.append(self._changes.get_nowait())
        if changes:
            await self._apply(connection, changes)
        else:
            await connection.execute("SELECT 1", timeout=2 * HEARTBEAT)
        self._confirmed = started

    def _notified(self, _connection: object, _pid: int, _channel: str, payload: object) -> None:
        self._changes.put_nowait(str(payload))

    async def _apply(self, connection: Connection, changes: list[str]) -> None:
        keys: defaultdict[str, set[str]] = defaultdict(set)
        for change in changes:
            table, _, text = change.partition(" ")
            keys[table].update(text.split(","))
        tokens = keys.pop(SYNC, set())
        if any(EVERYTHING in changed for changed in keys.values()):
            await self._load(connection)
        elif self._directory is not None:
            await refresh(connection, self._directory, keys)
        for token in tokens:
            if event := self._waiting.get(token):
                event.set()
