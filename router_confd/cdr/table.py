"""Writes call records to their table: many in one statement, on a connection of their own."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from router_confd.database.engine import RECYCLE, Connection, Database

Record = dict[str, Any]  # by column

_TYPES = {
    "tenant_uuid": "uuid",
    "idempotency_key": "uuid",
    "source_ip": "text",
    "source_port": "int4",
    "from_uri": "text",
    "to_uri": "text",
    "call_id": "text",
    "call_start": "timestamptz",
    "duration": "int4",
    "ipbx_id": "int4",
    "carrier_trunk_id": "int4",
}
COLUMNS = tuple(_TYPES)
_INSERT = (
    f"INSERT INTO cdrs ({', '.join(COLUMNS)}) SELECT * FROM unnest("
    + ", ".join(f"${i}::{kind}[]" for i, kind in enumerate(_TYPES.values(), 1))
    + ") ON CONFLICT (idempotency_key) DO NOTHING"
)

log = logging.getLogger(__name__)


class Refused(Exception):
    """The database will never take one of these records."""


# Errors in a record. Any other error, such as a full disk, may be gone at the next attempt.
_REFUSALS = (
    ValueError,  # asyncpg raises it for a value that PostgreSQL does not have
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
)


class CdrTable:
    """A writer for one task at a time."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._connection: Connection | None = None
        self._opened = 0.0  # monotonic time

    async def insert(self, records: Sequence[Record], timeout: float) -> None:
        """Commit all records or none within `timeout` seconds. Records that exist stay as they are.

        Raises Refused. After any other exception the outcome is unknown, and trying again is safe.
        """
        columns = [[record[column] for record in records] for column in COLUMNS]
        async with asyncio.timeout(timeout):
            if (open_one := self._usable()) is not None:
                try:
                    await self._execute(open_one, columns)
                    return
                except Refused:
                    raise
                except Exception as error:  # asyncpg reports a lost connection in many ways
                    log.info("opening the connection for CDRs again: %s", type(error).__name__)
            await self._execute(await self._connect(), columns)

    async def _execute(self, connection: Connection, columns: list[list[Any]]) -> None:
        try:
            await connection.execute(_INSERT, *columns)
        except _REFUSALS as error:
            raise Refused from error
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Drop the connection without waiting for the server, which may be gone."""
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    def _usable(self) -> Connection | None:
        """The connection, if there is one and it is likely to work."""
        old = self._connection
        if old and (old.is_closed() or time.monotonic() - self._opened > RECYCLE):
            self.close()
        return self._connection

    async def _connect(self) -> Connection:
        self._connection = await self._database.connect()
        self._opened = time.monotonic()
        return self._connection


def as_json(record: Record) -> Record:
    """The record in the form that the spool keeps."""
    start: datetime | None = record["call_start"]
    return record | {
        "tenant_uuid": str(record["tenant_uuid"]),
        "idempotency_key": str(record["idempotency_key"]),
        "call_start": start.isoformat() if start else None,
    }


def of_json(stored: Any) -> Record:
    """The record from the spool. Raises ValueError, KeyError or TypeError if it is not one."""
    start = stored["call_start"]
    return {column: stored[column] for column in COLUMNS} | {
        "tenant_uuid": UUID(stored["tenant_uuid"]),
        "idempotency_key": UUID(stored["idempotency_key"]),
        "call_start": datetime.fromisoformat(start) if start else None,
    }
