"""Migrates the database to the newest schema, also when several instances start at once."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text

from router_confd.database.engine import Database, is_unavailable

MIGRATIONS = Path(__file__).parent / "migrations"
ADVISORY_LOCK = 0x63346366  # the same number for all instances and versions
RETRY = 1.0  # seconds

log = logging.getLogger(__name__)


async def upgrade(database: Database) -> None:
    """Upgrade to the newest revision. Waits for the database as long as it takes."""
    while True:
        try:
            async with database.migrations().begin() as connection:
                await connection.run_sync(_upgrade)
            return
        except Exception as error:
            if not is_unavailable(error):
                raise
            log.warning(
                "waiting for the database, which is not available: %s", type(error).__name__
            )
            await asyncio.sleep(RETRY)


def config(connection: Connection) -> Config:
    """Alembic's configuration for this connection."""
    result = Config()
    result.set_main_option("script_location", str(MIGRATIONS))
    result.attributes["connection"] = connection
    return result


def _upgrade(connection: Connection) -> None:
    """Wait until no other instance upgrades, then upgrade what is left."""
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": ADVISORY_LOCK})
    command.upgrade(config(connection), "head")
