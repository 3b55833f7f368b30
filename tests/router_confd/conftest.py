"""A real PostgreSQL, and real router-confd processes on it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import mkdtemp

import pytest
from hypothesis import settings

from testbed.router_confd.instance import Instance, Site, free_port
from testbed.router_confd.postgres import Postgres, binaries, new_database

settings.register_profile("busy-machine", deadline=None)
settings.load_profile("busy-machine")


@pytest.fixture(scope="session")
def postgres_factory() -> Iterator[Callable[[], Postgres]]:
    """Makes servers of their own, created but not started."""
    if binaries() is None:
        obstacle = "needs the PostgreSQL server programs (Debian package `postgresql`)"
        if os.environ.get("CI") == "true":
            pytest.fail(obstacle)
        pytest.skip(obstacle)
    made: list[Postgres] = []

    def make() -> Postgres:
        # Not pytest's own directory: the server's user must be able to enter it.
        server = Postgres(Path(mkdtemp(prefix="c4-pg-")), free_port())
        server.create()
        made.append(server)
        return server

    yield make
    for server in made:
        server.remove()


@pytest.fixture(scope="session")
def postgres(postgres_factory: Callable[[], Postgres]) -> Postgres:
    """The server that most tests share, running."""
    server = postgres_factory()
    server.start()
    return server


@pytest.fixture(scope="session")
def instances(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[..., Instance]]:
    """Makes instances, not started; they end with the session."""
    made: list[Instance] = []

    def make(server: Postgres, database: str, **extra: str) -> Instance:
        made.append(Instance(server, tmp_path_factory.mktemp("confd"), database, **extra))
        return made[-1]

    yield make
    for instance in made:
        instance.stop(kill=True)


@pytest.fixture(scope="session")
def database(postgres: Postgres) -> str:
    """The database that most tests share."""
    return new_database(postgres)


@pytest.fixture(scope="session")
def confd(postgres: Postgres, database: str, instances: Callable[..., Instance]) -> Instance:
    """The instance that most tests share."""
    instance: Instance = instances(postgres, database).start()
    return instance


@pytest.fixture
def site(confd: Instance) -> Site:
    """A tenant of its own for each test."""
    return Site(confd)
