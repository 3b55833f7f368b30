"""Stores call records in the database, or on disk until it is back, each exactly once."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from uuid import NAMESPACE_OID, UUID, uuid4, uuid5

from router_confd.cdr.group_commit import Entry, GroupCommit
from router_confd.cdr.spool import Spool
from router_confd.cdr.table import COLUMNS, CdrTable, Record, Refused, as_json, of_json
from router_confd.database.engine import Database, is_unavailable
from router_confd.resources.schemas.kamailio import CdrRequest

COMMIT_INTERVAL = 0.05  # seconds; a router waits 3 s before it takes a record for lost
STORE_TIMEOUT = 1.5  # seconds before a record goes to disk instead
DELIVERY_INTERVAL = 1.0  # seconds
DELIVERY_TIMEOUT = 10.0  # seconds
BATCH = 500

log = logging.getLogger(__name__)


class Incomplete(Exception):
    """The record lacks a field that the table needs. The text is the name of the field."""


class CdrStore:
    """Takes records, and never loses one that it has acknowledged.

    A record gets its key before the first attempt to store it. So an attempt whose outcome is
    unknown can be repeated from disk: the unique index drops the second copy.
    """

    def __init__(self, database: Database, spool: Spool, reachable: Callable[[], bool]) -> None:
        self._fresh, self._spooled = CdrTable(database), CdrTable(database)
        self._group = GroupCommit(self._commit, COMMIT_INTERVAL, BATCH)
        self._reachable = reachable  # False: go to disk without trying the database
        self._spool = spool
        self.stored = 0
        self.spooled = 0
        self.rejected = 0

    @property
    def waiting(self) -> int:
        """Records on disk."""
        return self._spool.count

    def take(self, request: CdrRequest, tenant: str) -> asyncio.Future[None]:
        """Store or spool a record of a known tenant. The future is done when the record is safe.

        Raises Incomplete. The future may raise Refused, SpoolFull or OSError.
        """
        for field in ("source_ip", "source_port", "call_id"):
            if getattr(request, field) is None:
                raise Incomplete(field)
        record: Record = {column: getattr(request, column) for column in COLUMNS}
        record["tenant_uuid"] = UUID(tenant)
        record["idempotency_key"] = _key(tenant, request.idempotency_key)
        return self._group.put(record)

    def close(self) -> None:
        """Drop the connections."""
        self._fresh.close()
        self._spooled.close()

    async def _commit(self, entries: list[Entry[Record]]) -> None:
        """End every entry: it is in the database, on disk, or has an exception."""
        left = await self._store(entries) if self._reachable() else entries
        if left:
            # Records that arrived meanwhile would wait as long again for the same database.
            more = self._group.take()
            entries += more
            await self._keep_on_disk(left if left is entries else left + more)

    async def _store(self, entries: list[Entry[Record]]) -> list[Entry[Record]]:
        """Returns the entries that could not be stored now. A bad one is found by halving the list,
        and fails alone."""
        try:
            await self._fresh.insert([entry.item for entry in entries], STORE_TIMEOUT)
        except Refused as error:
            if len(entries) == 1:
                entries[0].fail(error)
                return []
            middle = len(entries) // 2
            if left := await self._store(entries[:middle]):
                return left + entries[middle:]
            return await self._store(entries[middle:])
        except Exception as error:
            _report(error)
            return entries
        self.stored += len(entries)
        for entry in entries:
            entry.succeed()
        return []

    async def _keep_on_disk(self, entries: list[Entry[Record]]) -> None:
        records = {entry.item["idempotency_key"]: as_json(entry.item) for entry in entries}
        failed = await asyncio.to_thread(self._spool.put, records)
        for entry in entries:
            if error := failed.get(entry.item["idempotency_key"]):
                entry.fail(error)
            else:
                self.spooled += 1
                entry.succeed()

    async def deliver_forever(self) -> None:
        """Store spooled records whenever the database is there."""
        while True:
            try:
                while self._spool.count and await self.deliver():
                    pass
            except Exception:
                log.exception("cannot deliver spooled CDRs, will try again")
            if not self._spool.count:
                self._spooled.close()
            await asyncio.sleep(DELIVERY_INTERVAL)

    async def deliver(self) -> bool:
        """Store one batch from disk. False if the database does not take it now."""
        batch = []
        for path, stored in await asyncio.to_thread(self._spool.batch, BATCH):
            try:
                batch.append((path, of_json(stored)))
            except (ValueError, KeyError, TypeError):
                await self._reject(path, "the file is not a record")
        if not batch:
            await asyncio.to_thread(self._spool.done, [])
            return True
        return await self._deliver(batch)

    async def _deliver(self, batch: list[tuple[Path, Record]]) -> bool:
        """A bad record, such as one of a deleted tenant, must not hold up the others."""
        try:
            await self._spooled.insert([record for _, record in batch], DELIVERY_TIMEOUT)
        except Refused as error:
            if len(batch) == 1:
                await self._reject(batch[0][0], type(error.__cause__).__name__)
                return True
            middle = len(batch) // 2
            return await self._deliver(batch[:middle]) and await self._deliver(batch[middle:])
        except Exception as error:
            _report(error)
            return False
        await asyncio.to_thread(self._spool.done, [path for path, _ in batch])
        self.stored += len(batch)
        return True

    async def _reject(self, path: Path, why: str) -> None:
        log.error("CDR %s is put aside, it cannot be stored: %s", path.stem, why)
        await asyncio.to_thread(self._spool.reject, path)
        self.rejected += 1


def _report(error: Exception) -> None:
    """Log an error, unless it means that the database is away, which others log."""
    if not is_unavailable(error):
        log.error("cannot store CDRs, they stay on disk: %s", type(error).__name__, exc_info=error)


def _key(tenant: str, idempotency_key: str | None) -> UUID:
    if idempotency_key is None:
        return uuid4()
    return uuid5(NAMESPACE_OID, f"{tenant}/{idempotency_key}")
