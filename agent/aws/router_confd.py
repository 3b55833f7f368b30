"""Files that router-confd needs: its secrets, and the address and credentials of its database."""

from __future__ import annotations

import base64
import json
import os
import secrets as random_secrets
from typing import TYPE_CHECKING, Any

from agent.aws import clients, secrets
from agent.config import Config, Database
from agent.errors import AgentError
from agent.facts import InstanceFacts
from agent.files.atomic import write
from common import paths, ports

if TYPE_CHECKING:
    from mypy_boto3_rds.type_defs import DBInstanceTypeDef

USER = "c4"
DATABASE_FILE = "database.json"
SECRETS_FILE = "router-confd.json"
API_CERTIFICATE = "api.pem"
API_KEY = "api-key.pem"
ENCRYPTION_KEY_BYTES = 32


def new_secrets(service: str) -> dict[str, Any]:
    """First value of a tenant's router-confd secret.

    The API key and the encryption key are 256 bit, in URL-safe base64. The authority signs the
    certificates of the management API; clients trust the authority's own certificate.
    """
    from agent.consul import pki

    authority = pki.new_authority(f"Management API of {service}")
    key = base64.urlsafe_b64encode(os.urandom(ENCRYPTION_KEY_BYTES)).decode()
    return {
        "api_key": random_secrets.token_urlsafe(32),
        "encryption_key": key,
        "ca_certificate": authority.certificate,
        "ca_key": authority.key,
    }


def write_secrets(config: Config, facts: InstanceFacts) -> None:
    """Write the keys and the certificate of the management API. Raises `AgentError`."""
    from agent.consul import pki

    name, service = config.secrets.router_confd, config.service
    if name is None or service is None:
        raise AgentError("secrets.router_confd: required on a router-confd instance, but absent")
    client = clients.client("secretsmanager", config.region)
    value = secrets.read_or_create(client, name, lambda: new_secrets(service))
    try:
        authority = pki.Pair(value.pop("ca_certificate"), value.pop("ca_key"))
    except KeyError as error:
        raise AgentError(f"secret {name}: key {error} is absent") from None
    api = pki.issue_server(authority, (f"{service}.c4.internal", "localhost"), facts.private_ip)
    for file, text in (
        (SECRETS_FILE, json.dumps(value)),
        (API_CERTIFICATE, api.certificate),
        (API_KEY, api.key),
    ):
        write(paths.SECRETS / file, text, mode=0o400, owner=USER)


def write_database(config: Config, facts: InstanceFacts) -> None:
    """Write the database's credentials and router-confd's environment.

    Raises `AgentError` while the database is being created; the caller repeats it.
    """
    database = _required(config)
    found = _describe(config, database)
    endpoint = found.get("Endpoint")
    if not endpoint or "Address" not in endpoint:
        raise AgentError(f"database {database.instance}: has no address yet")
    write_credentials(config, owner=USER, found=found)
    environment = {
        "C4_ROUTER_CONFD_DATABASE_HOST": endpoint["Address"],
        "C4_ROUTER_CONFD_DATABASE_PORT": endpoint.get("Port", ports.POSTGRES.number),
        "C4_ROUTER_CONFD_DATABASE_NAME": database.name,
        "C4_ROUTER_CONFD_DATABASE_CREDENTIALS_FILE": paths.SECRETS / DATABASE_FILE,
        "C4_ROUTER_CONFD_DATABASE_CA": paths.RDS_CA,
        "C4_ROUTER_CONFD_SECRETS_FILE": paths.SECRETS / SECRETS_FILE,
        "C4_ROUTER_CONFD_KAMAILIO_LISTEN": f"{facts.private_ip}:{config.ports.confd_kamailio}",
        "C4_ROUTER_CONFD_API_LISTEN": f"{facts.private_ip}:{config.ports.confd_api}",
        "C4_ROUTER_CONFD_API_TLS_CERT": paths.SECRETS / API_CERTIFICATE,
        "C4_ROUTER_CONFD_API_TLS_KEY": paths.SECRETS / API_KEY,
        "C4_ROUTER_CONFD_SPOOL_DIR": paths.ROUTER_CONFD_SPOOL,
    }
    write(paths.ROUTER_CONFD_ENV, "".join(f"{key}={value}\n" for key, value in environment.items()))


def write_credentials(
    config: Config, *, owner: str | None = None, found: DBInstanceTypeDef | None = None
) -> None:
    """Write the user and the password that RDS has now; RDS changes them on rotation.

    The daemon calls this regularly, and router-confd reads the file for each connection.
    """
    database = _required(config)
    secret = (found or _describe(config, database)).get("MasterUserSecret", {}).get("SecretArn")
    if not secret:
        raise AgentError(f"database {database.instance}: has no managed secret yet")
    value = secrets.read(clients.client("secretsmanager", config.region), secret)
    try:
        text = json.dumps({"username": value["username"], "password": value["password"]})
    except KeyError as error:
        raise AgentError(f"secret {secret}: key {error} is absent") from None
    path = paths.SECRETS / DATABASE_FILE
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        write(path, text, mode=0o400, owner=owner)


def _required(config: Config) -> Database:
    if config.database is None:
        raise AgentError("database: required on a router-confd instance, but absent")
    return config.database


def _describe(config: Config, database: Database) -> DBInstanceTypeDef:
    rds = clients.client("rds", config.region)
    with clients.as_agent_error(f"database {database.instance}"):
        return rds.describe_db_instances(DBInstanceIdentifier=database.instance)["DBInstances"][0]
