"""RDS instances: machines with a real PostgreSQL, and the DNS names of their endpoints."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from pathlib import Path
from typing import Any

from common import paths
from host.certificates import Authority
from host.errors import HostError
from host.run import run
from lab.aws.views import MOTO, backends
from lab.machines.machine import MachineFile, MachineSpec, enter
from lab.names import Names
from lab.network.networks import Leg

FILES = paths.ETC / "database"  # where `image/files/rds` looks for them
INIT = """\
SELECT format('CREATE ROLE %I LOGIN CREATEDB CREATEROLE', {user})
    WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = {user}) \\gexec
SELECT format('ALTER ROLE %I PASSWORD %L', {user}, {password}) \\gexec
SELECT format('CREATE DATABASE %I OWNER %I', {name}, {user})
    WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = {name}) \\gexec
"""


@dataclass(frozen=True)
class DatabaseView:
    """An RDS instance of moto."""

    id: str  # DBInstanceIdentifier
    endpoint: str
    name: str
    username: str
    password: str
    subnet_id: str
    subnet: IPv4Network
    address: IPv4Address
    security_group_ids: tuple[str, ...] = ()

    @property
    def machine_id(self) -> str:
        return f"db-{self.id}"

    @property
    def init_sql(self) -> str:
        """SQL that creates user and database. If it runs again, it sets the password again."""
        values = {"user": self.username, "password": self.password, "name": self.name}
        return INIT.format(**{key: _literal(value) for key, value in values.items()})


class Databases:
    """The RDS instances of the lab, each with an address in its subnet group."""

    def __init__(self, names: Names, layers: tuple[Path, ...], ca: Authority) -> None:
        self._names = names
        self._layers = layers
        self._ca = ca
        self._addresses: dict[str, IPv4Address] = {}

    def views(self) -> Iterator[DatabaseView]:
        """Every PostgreSQL instance that should have a machine."""
        for _, rds in backends("rds"):
            for db in list(rds.databases.values()):
                if db.engine == "postgres" and db.db_subnet_group is not None:
                    yield self._view(db)

    def resolve(self, name: str) -> list[IPv4Address]:
        with MOTO:
            return [v.address for v in self.views() if v.endpoint.lower() == name]

    def machine(self, view: DatabaseView, bridge: str) -> MachineSpec:
        """The machine for an RDS instance, with its certificate and its first user."""
        uid, gid = postgres_user(self._layers)
        pem, key = self._ca.issue(self._names.state / "tls" / view.machine_id, [view.endpoint])
        private = {"mode": 0o600, "uid": uid, "gid": gid}
        return MachineSpec(
            id=view.machine_id,
            subnet_id=view.subnet_id,
            bridge=bridge,
            leg=Leg(
                namespace=self._names.machine_ns(view.machine_id),
                veth=self._names.veth(view.machine_id),
                address=IPv4Interface((view.address, view.subnet.prefixlen)),
                gateway=view.subnet[1],
            ),
            hostname=view.id,
            layers=self._layers,
            files={
                f"{FILES}/server.pem": MachineFile(pem.read_bytes()),
                f"{FILES}/server.key": MachineFile(key.read_bytes(), **private),
                f"{FILES}/init.sql": MachineFile(view.init_sql, **private),
            },
        )

    def set_password(self, view: DatabaseView) -> None:
        """Set the master password of `view` in the running PostgreSQL."""
        psql = ["runuser", "-u", "postgres", "--", "psql", "--quiet", "--set=ON_ERROR_STOP=1"]
        run(enter(self._names, view.machine_id, psql), input=view.init_sql)

    def _view(self, db: Any) -> DatabaseView:
        subnet = db.db_subnet_group._subnets[0]
        if db.resource_id not in self._addresses:
            self._addresses[db.resource_id] = IPv4Address(subnet.get_available_subnet_ip(db))
        if db.manage_master_user_password:
            text = db.master_user_secret.secret.secret_string
            credentials = json.loads(text)
        else:
            credentials = {"username": db.master_username, "password": db.master_user_password}
        return DatabaseView(
            id=db.db_instance_identifier,
            endpoint=db.address,
            name=db.db_name or "postgres",
            username=credentials["username"],
            password=credentials["password"],
            subnet_id=subnet.id,
            subnet=IPv4Network(subnet.cidr_block),
            address=self._addresses[db.resource_id],
            security_group_ids=tuple(db.vpc_security_group_ids),
        )


def postgres_user(layers: tuple[Path, ...]) -> tuple[int, int]:
    """User and group id of `postgres` in the image."""
    for line in (layers[0] / "etc/passwd").read_text().splitlines():
        name, _, uid, gid, *_ = line.split(":")
        if name == "postgres":
            return int(uid), int(gid)
    raise HostError(f"no user postgres in {layers[0]}", "rm -r that directory to rebuild it")


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
