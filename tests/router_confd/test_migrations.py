"""The migrations make exactly the tables that the code expects, and can be undone."""

from __future__ import annotations

from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine

from router_confd.database.migrate import config
from router_confd.database.models import Base
from testbed.router_confd.postgres import USER, Postgres, new_database

pytestmark = pytest.mark.db


def _up(connection: Connection) -> None:
    command.upgrade(config(connection), "head")


def _down(connection: Connection) -> None:
    command.downgrade(config(connection), "base")


def _differences(connection: Connection) -> list[Any]:
    return list(compare_metadata(MigrationContext.configure(connection), Base.metadata))


@pytest.mark.asyncio
async def test_migrated_schema_is_the_models(postgres: Postgres) -> None:
    name = new_database(postgres)
    url = f"postgresql+asyncpg://{USER}@/{name}?host={postgres.directory}&port={postgres.port}"
    engine = create_async_engine(url)
    for step in (_up, _down, _up, _up):
        async with engine.begin() as connection:
            await connection.run_sync(step)
    async with engine.begin() as connection:
        assert await connection.run_sync(_differences) == []
    await engine.dispose()
    left = "SELECT count(*) FROM pg_proc WHERE proname LIKE 'router_confd%'"
    assert postgres.sql(left, name) == "1"
