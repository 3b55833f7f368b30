"""Two instances of router-confd on one database."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from testbed.router_confd.instance import Instance, Site, eventually
from testbed.router_confd.postgres import USER, Postgres, new_database


class Pair:
    """A database server of its own, and two instances on it."""

    def __init__(self, server: Postgres, instances: Callable[..., Instance]) -> None:
        self.server = server
        self.database = new_database(server)
        self.one, self.two = (instances(server, self.database).start() for _ in range(2))

    def site(self) -> Site:
        """A tenant that both know."""
        site = Site(self.one)
        eventually(lambda: self.two.auth(source_ip=site.trunk_address)["success"])
        return site

    @contextmanager
    def locked(self) -> Iterator[None]:
        """No record can be inserted meanwhile; the database answers everything else."""
        session = subprocess.Popen(
            ["psql", "-h", str(self.server.directory), "-p", str(self.server.port), "-U", USER,
             "-d", self.database, "-qAtX"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert session.stdin is not None and session.stdout is not None
        try:
            session.stdin.write("BEGIN; LOCK TABLE cdrs IN SHARE MODE; SELECT 'locked';\n")
            session.stdin.flush()
            assert session.stdout.readline() == "locked\n"
            yield
        finally:
            session.communicate("ROLLBACK;\n")

    def waiting(self) -> int:
        """Inserts that wait for the lock."""
        text = self.server.sql(
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            " AND query LIKE 'INSERT INTO cdrs%'",
            self.database,
        )
        return int(text)
