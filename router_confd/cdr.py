"""Call records: into the database, or on disk until it is back, each exactly once."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import NAMESPACE_OID, UUID, uuid4, uuid5

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError

from router_confd.database import Database, is_unavailable
from router_confd.models import Cdr
from router_confd.schemas.kamailio import CdrRequest
from router_confd.spool import Spool

STORE_TIMEOUT = 1.5  # seconds before a record goes to disk instead
DELIVERY_INTERVAL = 1.0  # seconds
BATCH = 500

log = logging.getLogger(__name__)


class Incomplete(Exception):
    """The record lacks a field that the table needs; the text is its name."""


class CdrStore:
    """Takes records and never loses one that it has acknowledged.

    The key of a record is chosen before the first attempt. So an attempt whose outcome is unknown
    can be repeated from disk: the unique index drops the second copy.
    """

    def __init__(self, database: Database, spool: Spool, reachable: Callable[[], bool]) -> None:
        self._database = database
        self._reachable = reachable  # False: do not even try
        self._spool = spool
        self.stored = 0
        self.spooled = 0
        self.rejected = 0

    @property
    def waiting(self) -> int:
        """Records on disk."""
        return self._spool.count

    async def take(self, request: CdrRequest, tenant: str) -> None:
        """Store or spool a record of a known tenant. Raises Incomplete, SpoolFull, OSError."""
        for field in ("source_ip", "source_port", "call_id"):
            if getattr(request, field) is None:
                raise Incomplete(field)
        key = _key(tenant, request.idempotency_key)
        columns = request.model_dump(mode="json", exclude={"event", "idempotency_key"})
        record = columns | {"tenant_uuid": tenant, "idempotency_key": str(key)}
        if self._reachable() and await self._store_now(record):
            self.stored += 1
        else:
            await asyncio.to_thread(self._spool.put, key, record)
            self.spooled += 1

    async def _store_now(self, record: dict[str, Any]) -> bool:
        try:
            async with asyncio.timeout(STORE_TIMEOUT):
                await self._insert([record])
        except Exception as error:
            if not is_unavailable(error):
                raise
            return False
        return True

    async def deliver_forever(self) -> None:
        """Empty the spool whenever the database is there."""
        while True:
            try:
                while self._spool.count and await self.deliver():
                    pass
            except Exception:
                log.exception("delivery of spooled CDRs failed, trying again")
            await asyncio.sleep(DELIVERY_INTERVAL)

    async def deliver(self) -> bool:
        """Store one batch from disk; False when the database is not there."""
        batch = await asyncio.to_thread(self._spool.batch, BATCH)
        try:
            await self._insert([record for _, record in batch])
        except Exception as error:
            if is_unavailable(error):
                return False
            if not isinstance(error, DBAPIError) or len(batch) == 0:
                raise
            return await self._deliver_singly(batch)
        await asyncio.to_thread(self._spool.done, [path for path, _ in batch])
        self.stored += len(batch)
        return True

    async def _deliver_singly(self, batch: list[Any]) -> bool:
        """One bad record, such as of a tenant deleted meanwhile, must not hold up the others."""
        for path, record in batch:
            try:
                await self._insert([record])
            except DBAPIError as error:
                if is_unavailable(error):
                    return False
                log.error("CDR %s refused by the database: %s", path.stem, type(error.orig))
                await asyncio.to_thread(self._spool.reject, path)
                self.rejected += 1
                continue
            await asyncio.to_thread(self._spool.done, [path])
            self.stored += 1
        return True

    async def _insert(self, records: list[dict[str, Any]]) -> None:
        if not records:
            return
        rows = [
            record
            | {
                "tenant_uuid": UUID(record["tenant_uuid"]),
                "idempotency_key": UUID(record["idempotency_key"]),
                "call_start": _time(record["call_start"]),
            }
            for record in records
        ]
        statement = insert(Cdr).on_conflict_do_nothing(index_elements=["idempotency_key"])
        async with self._database.session() as session:
            await session.execute(statement, rows)


def _key(tenant: str, idempotency_key: str | None) -> UUID:
    if idempotency_key is None:
        return uuid4()
    return uuid5(NAMESPACE_OID, f"{tenant}/{idempotency_key}")


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
