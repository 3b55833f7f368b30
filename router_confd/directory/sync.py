"""Keeps the directory equal to the database.

One connection listens for notifications of changes and fetches the changed rows. It is probed
every second. When it is lost, everything is loaded again on a new one, after the database has been
migrated if it needs it. Meanwhile the old copy answers, until it is older than `max_staleness`.
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

from router_confd.database import migrate
from router_confd.database.engine import Connection, Database, is_unavailable, reason
from router_confd.directory.load import load, refresh
from router_confd.directory.store import Directory

CHANNEL = "router_confd"
EVERYTHING = "*"
SYNC = "sync"  # with a token: a writer on this instance waits for its own change to arrive
HEARTBEAT = 1.0  # seconds
RETRY = (0.2, 2.0)  # seconds: bounds of the random wait before the next connection
LOAD_TIMEOUT = 15.0  # seconds per step of a load

log = logging.getLogger(__name__)


class Stale(Exception):
    """The directory is not loaded, or too old. The client should ask another instance."""


class Sync:
    """Holds the current Directory, and keeps it up to date."""

    def __init__(self, database: Database, max_staleness: float) -> None:
        self._database = database
        self._max_staleness = max_staleness
        self._directory: Directory | None = None
        self._confirmed = 0.0  # monotonic time when the copy was last equal to the database
        self._changes: asyncio.Queue[str] = asyncio.Queue()
        self._waiting: dict[str, asyncio.Event] = {}
        self.loads = 0  # full loads since the start

    @property
    def age(self) -> float:
        """Seconds since the copy was last known to be equal to the database; inf before a load."""
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
        """The configuration, however old it is; None before the first load."""
        return self._directory

    def expect(self, token: str) -> None:
        """Expect this token. Call it before the change is committed, and then `arrival`."""
        self._waiting[token] = asyncio.Event()

    async def arrival(self, token: str, timeout: float = 1.0) -> None:
        """Wait until the expected change is applied here, for `timeout` seconds at most."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._waiting[token].wait()

    def forget(self, token: str) -> None:
        """Stop expecting this token."""
        self._waiting.pop(token, None)

    async def run(self) -> None:
        """Follow the database for ever."""
        while True:
            try:
                await self._follow()
            except Exception as error:
                if not is_unavailable(error):
                    log.exception("cannot follow the database, loading everything again")
                else:
                    log.warning("the database is not available: %s", reason(error))
            await asyncio.sleep(random.uniform(*RETRY))

    async def _follow(self) -> None:
        connection = await self._database.connect(statement_timeout=LOAD_TIMEOUT)
        try:
            if await migrate.is_due(connection):
                await migrate.upgrade_once(self._database)
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
            # Not close(), which would wait for a server that may be gone.
            connection.terminate()

    async def _load(self, connection: Connection) -> None:
        started = time.monotonic()
        self._directory = await load(connection)
        # Nothing in the directory becomes garbage while it is in use, and reference counts free it
        # when it is replaced. The collector would scan it again and again, and hold up calls for
        # 0.2 s with a million DIDs.
        gc.freeze()
        self.loads += 1
        log.info("the configuration is loaded, in %.1f s", time.monotonic() - started)

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
            # Not only a sign of life: it fails when the tables have been dropped.
            await connection.execute(migrate.REVISION, timeout=2 * HEARTBEAT)
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
