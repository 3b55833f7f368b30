"""Reads the configuration from the database: all of it, or the rows that changed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping

from asyncpg import Record

from router_confd.database.engine import Connection
from router_confd.directory.dids import SELECT_NUMBERS, SELECT_PATTERNS
from router_confd.directory.rows import Tenant
from router_confd.directory.store import Directory

SELECT_TENANTS = "SELECT uuid, max_calls, max_cps FROM tenants"
CHUNK = 2_000  # rows per step of a load; requests are served between steps


async def load(connection: Connection) -> Directory:
    """The whole configuration, as of one moment."""
    directory = Directory()
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        async for chunk in _chunks(connection, SELECT_TENANTS):
            directory.tenants.update(_by_uuid(chunk))
        for table in directory.tables.values():
            async for chunk in _chunks(connection, table.select):
                table.put(chunk)
        async for chunk in _chunks(connection, SELECT_NUMBERS):
            directory.dids.put_numbers(chunk)
        async for chunk in _chunks(connection, SELECT_PATTERNS):
            directory.dids.put_patterns(chunk)
    return directory


async def refresh(
    connection: Connection, directory: Directory, keys: Mapping[str, set[str]]
) -> None:
    """Fetch the rows with these keys (by table) as of one moment, and remove those that are gone.

    The directory changes only after everything has arrived, and without an `await`. So a routing
    request sees all of the change or nothing of it.
    """
    changes: list[Callable[[], None]] = []
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        for table, changed in keys.items():
            changes.append(await _change(connection, directory, table, changed))
    for change in changes:
        change()


def _by_uuid(records: Iterable[Record]) -> dict[str, Tenant]:
    return {record[0]: Tenant(*record) for record in records}


async def _chunks(connection: Connection, query: str) -> AsyncIterator[list[Record]]:
    cursor = await connection.cursor(query)
    while chunk := await cursor.fetch(CHUNK):
        yield chunk


async def _change(
    connection: Connection, directory: Directory, name: str, keys: set[str]
) -> Callable[[], None]:
    if name == "tenants":
        return await _tenants(connection, directory, keys)
    if name == "dids":
        return await _dids(connection, directory, keys)
    table = directory.tables.get(name)
    if table is None:  # a table of a newer version, or one that routing does not need
        return lambda: None
    ids = [int(key) for key in keys]
    records = await connection.fetch(table.select + " AND id = ANY($1)", ids)

    def change() -> None:
        table.drop(ids)
        table.put(records)

    return change


async def _tenants(
    connection: Connection, directory: Directory, keys: set[str]
) -> Callable[[], None]:
    query = SELECT_TENANTS + " WHERE uuid = ANY($1::uuid[])"
    present = _by_uuid(await connection.fetch(query, list(keys)))

    def change() -> None:
        for key in keys:
            directory.tenants.pop(key, None)
        directory.tenants.update(present)

    return change


async def _dids(connection: Connection, directory: Directory, keys: set[str]) -> Callable[[], None]:
    condition = " AND did_prefix = ANY($1)"
    numbers = await connection.fetch(SELECT_NUMBERS + condition, list(keys))
    expressions = await connection.fetch(SELECT_PATTERNS + condition, list(keys))

    def change() -> None:
        directory.dids.forget(keys)
        directory.dids.put_numbers(numbers)
        directory.dids.put_patterns(expressions)

    return change
