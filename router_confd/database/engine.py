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

from router_confd.config import ConfigError, Credentials, Settings, load_credentials

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

CONNECT_TIMEOUT = 3.0  # seconds; a database that fails over must not hold requests longer
POOL_WAIT = 1.0  # seconds to wait for a free connection
MIGRATION_TIMEOUT = 900.0  # seconds per statement
RECYCLE = 600  # seconds after which a connection is replaced, in case of a rotated password

# The schema is missing or older than this program: the database is new, or was restored from a
# backup. `Sync` migrates it.
NOT_MIGRATED: tuple[type[BaseException], ...] = (
    asyncpg.UndefinedTableError,
    asyncpg.UndefinedColumnError,
)
UNAVAILABLE: tuple[type[BaseException], ...] = (
    *NOT_MIGRATED,
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
    if isinstance(error, UNAVAILABLE) or isinstance(_cause(error), UNAVAILABLE):
        return True
    return isinstance(error, DBAPIError) and error.connection_invalidated


def reason(error: BaseException) -> str:
    """Why the database cannot serve, for a log or an answer. It has no text of the error, which
    may hold data."""
    cause = _cause(error)
    if isinstance(cause, NOT_MIGRATED):
        return "its tables are missing or old, and are being migrated"
    if isinstance(cause, asyncpg.InvalidAuthorizationSpecificationError):
        return "it refuses the login, whose password is being read again"
    if isinstance(cause, asyncpg.InvalidCatalogNameError):
        return "it does not exist on its server yet"
    return type(cause).__name__


def _cause(error: BaseException) -> BaseException:
    """asyncpg's own exception, which SQLAlchemy wraps twice."""
    if isinstance(error, DBAPIError) and error.orig is not None and error.orig.__cause__:
        return error.orig.__cause__
    return error


class Database:
    """A pool for statements, and single connections for listening and loading."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._ssl = _tls(settings)
        self._refused: Credentials | None = None  # what the last login was refused with
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

    @property
    def login_refused(self) -> bool:
        """True while the credentials file holds what the database has refused last.

        The agent asks for it, and reads the secret again.
        """
        if self._refused is None:
            return False
        try:
            return load_credentials(self._settings.database_credentials_file) == self._refused
        except ConfigError:
            return False  # the file is being replaced

    async def connect(self, *, statement_timeout: float | None = None) -> Connection:
        """A new connection. `statement_timeout` is in seconds; by default it is the setting's."""
        settings = self._settings
        credentials = load_credentials(settings.database_credentials_file)
        timeout = settings.database_timeout if statement_timeout is None else statement_timeout
        try:
            connection = await asyncpg.connect(
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
        except asyncpg.InvalidAuthorizationSpecificationError:
            self._refused = credentials
            raise
        self._refused = None
        return connection

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
