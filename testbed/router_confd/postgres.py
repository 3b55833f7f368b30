"""A real PostgreSQL server in a temporary directory, for tests and the benchmark."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Sequence
from itertools import count
from pathlib import Path

USER = "c4"
PASSWORD = "database-password"
_names = count()


def binaries() -> Path | None:
    """Directory of the newest installed server's programs, or None."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: p.parts[-3])
    return found[-1].parent if found else None


class Postgres:
    """Listens on a Unix socket in `directory` and, with TLS, on loopback at `port`."""

    def __init__(self, directory: Path, port: int, *, options: Sequence[str] = ()) -> None:
        programs = binaries()
        if programs is None:
            raise RuntimeError("no PostgreSQL server found; install the package `postgresql`")
        self._programs = programs
        self._options = options
        self.directory = directory
        self.port = port

    def create(self) -> None:
        """Initialise the cluster: passwords over TCP, trust on the socket."""
        if os.geteuid() == 0:
            owner = _unprivileged()
            os.chown(self.directory, owner.pw_uid, owner.pw_gid)
        password = self.directory / "password"
        password.write_text(PASSWORD)
        self._run(
            "initdb", "-D", f"{self.directory}/data", "-U", USER, f"--pwfile={password}",
            "--auth-local=trust", "--auth-host=scram-sha-256", "--no-sync", "-E", "UTF8",
        )  # fmt: skip

    def use_certificate(self, certificate: Path, key: Path) -> None:
        """TLS on loopback from the next start on."""
        for source, name in ((certificate, "server.crt"), (key, "server.key")):
            target = self.directory / "data" / name
            shutil.copy(source, target)
            target.chmod(0o600)
            if os.geteuid() == 0:
                owner = _unprivileged()
                os.chown(target, owner.pw_uid, owner.pw_gid)
        self._options = [*self._options, "ssl=on"]

    def start(self) -> None:
        options = [
            "listen_addresses=127.0.0.1", f"port={self.port}", "fsync=off",
            f"unix_socket_directories={self.directory}", *self._options,
        ]  # fmt: skip
        text = " ".join(f"-c {option}" for option in options)
        log = f"{self.directory}/log"
        self._run("pg_ctl", "-D", f"{self.directory}/data", "-w", "-l", log, "-o", text, "start")

    def stop(self, mode: str = "immediate") -> None:
        """Stop the server; `immediate` is a crash, `fast` a shutdown."""
        self._run("pg_ctl", "-D", f"{self.directory}/data", "-m", mode, "-w", "stop")

    def remove(self) -> None:
        if (self.directory / "data" / "postmaster.pid").exists():
            self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def sql(self, statement: str, database: str = "postgres") -> str:
        """Run a statement; rows as text, columns separated by `|`."""
        return self._run(
            "psql", "-h", str(self.directory), "-p", str(self.port), "-U", USER, "-d", database,
            "-AtX", "-v", "ON_ERROR_STOP=1", "-c", statement,
        ).strip()  # fmt: skip

    def _run(self, program: str, *arguments: str) -> str:
        user = {"user": "postgres", "group": "postgres"} if os.geteuid() == 0 else {}
        done = subprocess.run(
            [str(self._programs / program), *arguments],
            cwd="/",
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if program != "pg_ctl" else subprocess.DEVNULL,
            check=False,
            timeout=60,
            **user,  # type: ignore[call-overload]
        )
        if done.returncode != 0:
            log = self.directory / "log"
            tail = log.read_text()[-2000:] if log.exists() else ""
            raise RuntimeError(f"{program}: {done.stdout}{done.stderr}\n{tail}")
        return str(done.stdout)


def new_database(server: Postgres) -> str:
    """An empty database on a running server."""
    name = f"confd{next(_names)}"
    server.sql(f"CREATE DATABASE {name}")
    return name


def _unprivileged() -> pwd.struct_passwd:
    """The user that runs the server when the tests run as root: PostgreSQL refuses root."""
    return pwd.getpwnam("postgres")
