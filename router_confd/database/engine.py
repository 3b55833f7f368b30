"""Connections to PostgreSQL, with TLS (verify-full) and credentials read for each connection."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeAlias

import asyncpg
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.pool import NullPool

from router_confd.config import ConfigError, Settings, load_credentials

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

CONNECT_TIMEOUT = 3.0  # seconds; a database that fails over must not hold requests longer
POOL_WAIT = 1.0  # seconds to wait for a free connection
MIGRATION_TIMEOUT = 900.0  # seconds per statement
RECYCLE = 600  # seconds after which a connection is replaced, in case of a rotated password

UNAVAILABLE: tuple[type[BaseException], ...] = (
    OSError,  # includes refused, reset, and TimeoutError
    ConfigError,  # the credentials file is not there yet, or is being replaced
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
    asyncpg.InvalidCatalogNameError,  # the server is up, but the database is not created yet
    asyncpg.ReadOnlySQLTransactionError,  # the connection is still to the former primary
    asyncpg.QueryCanceledError,
    asyncpg.InvalidAuthorizationSpecificationError,  # also while the password is rotated
    InterfaceError,
    OperationalError,
    PoolTimeout,
)


def is_unavailable(error: BaseException) -> bool:
    """True if the database cannot serve now; False if something is wrong with the statement."""
    if isinstance(error, UNAVAILABLE):
        return True
    if isinstance(error, DBAPIError):
        cause = error.orig.__cause__ if error.orig is not None else None
        return error.connection_invalidated or isinstance(cause, UNAVAILABLE)
    return False


class Database:
    """A pool for statements, and single connections for listening and loading."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._ssl = _tls(settings)
        self.engine = create_async_engine(
            "postgresql+asyncpg://",
            async_creator=self.connect,
            pool_size=settings.database_pool,
            max_overflow=0,
            pool_timeout=POOL_WAIT,
            pool_recycle=RECYCLE,
            pool_pre_ping=True,
            hide_parameters=True,  # error messages would contain passwords
        )
        self._sessions = async_sessionmaker(self.engine, expire_on_commit=False)

    async def connect(self, *, statement_timeout: float | None = None) -> Connection:
        """A new connection. `statement_timeout` is in seconds; by default it is the setting's."""
        settings = self._settings
        credentials = load_credentials(settings.database_credentials_file)
        timeout = settings.database_timeout if statement_timeout is None else statement_timeout
        return await asyncpg.connect(
            host=settings.database_host,
            port=settings.database_port,
            database=settings.database_name,
            user=credentials.username,
            password=credentials.password.get_secret_value(),
            ssl=self._ssl,
            timeout=CONNECT_TIMEOUT,
            command_timeout=timeout,
            server_settings={"application_name": "router-confd", "timezone": "UTC"},
        )

    def migrations(self) -> AsyncEngine:
        """An engine for migrations, whose statements may take long. It keeps no connection."""

        async def connect() -> Connection:
            return await self.connect(statement_timeout=MIGRATION_TIMEOUT)

        return create_async_engine(
            "postgresql+asyncpg://", async_creator=connect, poolclass=NullPool
        )

    @asynccontextmanager
    async def session(self) -> AsyncIterator[AsyncSession]:
        """A session in one transaction, which is committed unless an exception leaves the block."""
        async with self._sessions() as session, session.begin():
            yield session

    async def close(self) -> None:
        await self.engine.dispose()


def _tls(settings: Settings) -> ssl.SSLContext | bool:
    if settings.database_ca is None:
        return False
    context = ssl.create_default_context(cafile=settings.database_ca)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
