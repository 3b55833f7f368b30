"""Migrates the database to the newest schema, also when several instances start at once.

This happens at the start, and whenever a new connection finds another schema: the database may
have been made anew, or restored from an older backup.
"""

from __future__ import annotations

import asyncio
import logging
from functools import cache
from pathlib import Path

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from router_confd.database import engine
from router_confd.database.engine import Database, is_unavailable, reason

MIGRATIONS = Path(__file__).parent / "migrations"
ADVISORY_LOCK = 0x63346366  # the same number for all instances and versions
REVISION = "SELECT version_num FROM alembic_version"
RETRY = 1.0  # seconds

log = logging.getLogger(__name__)


async def upgrade(database: Database) -> None:
    """Upgrade to the newest revision. Waits for the database as long as it takes."""
    while True:
        try:
            await upgrade_once(database)
            return
        except Exception as error:
            if not is_unavailable(error):
                raise
            log.warning("waiting for the database, which is not available: %s", reason(error))
            await asyncio.sleep(RETRY)


async def upgrade_once(database: Database) -> None:
    """Upgrade to the newest revision. Raises what the database raises.

    A schema that is newer than this program stays: in a rolling update, the other instances have
    migrated it already.
    """
    async with database.migrations().begin() as connection:
        await connection.run_sync(_upgrade)


async def is_due(connection: engine.Connection) -> bool:
    """True when the database has no schema, or an older one."""
    try:
        found = await connection.fetchval(REVISION)
    except asyncpg.UndefinedTableError:
        return True
    return found is None or (found != _newest() and _known(found))


def config(connection: Connection | None = None) -> Config:
    """Alembic's configuration for this connection."""
    result = Config()
    result.set_main_option("script_location", str(MIGRATIONS))
    result.attributes["connection"] = connection
    return result


def _upgrade(connection: Connection) -> None:
    """Wait until no other instance upgrades, then upgrade what is left."""
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": ADVISORY_LOCK})
    found = MigrationContext.configure(connection).get_current_revision()
    if found is not None and not _known(found):
        log.warning("the database has schema %s, which is newer than this program", found)
        return
    command.upgrade(config(connection), "head")


@cache
def _revisions() -> tuple[str, ...]:
    """The revisions that this program has, newest first."""
    script = ScriptDirectory.from_config(config())
    return tuple(one.revision for one in script.walk_revisions())


def _newest() -> str:
    return _revisions()[0]


def _known(revision: str) -> bool:
    return revision in _revisions()
