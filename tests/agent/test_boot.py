"""Does an instance find, before its services start, everything that they need?"""

from __future__ import annotations

import json
import ssl
import stat
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import boto3
import pytest

from agent import boot, facts
from agent.aws import router_confd
from agent.config import Database, Ports, Secrets
from agent.consul.credentials import write_all
from agent.errors import AgentError
from agent.instance import Instance
from agent.roles.router_confd import RefusedLogin
from common import paths
from common.router_confd import LOGIN_REFUSED
from common.topology import Role
from testbed.agent_samples import FACTS, config

PUBLIC = FACTS.model_copy(update={"public_ip": IPv4Address("203.0.113.7")})


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folders of the instance, elsewhere; files are not given away to its users."""
    for name in ("KAMAILIO", "CONSUL", "CONSUL_TLS", "SECRETS", "INITIAL_LISTS"):
        folder = tmp_path / name.lower()
        folder.mkdir()
        monkeypatch.setattr(paths, name, folder)
    monkeypatch.setattr(paths, "CONSUL_TOKENS", paths.SECRETS / "consul.json")
    for name in ("RTPENGINE_ENV", "ROUTER_CONFD_ENV", "SERVICE"):
        monkeypatch.setattr(paths, name, tmp_path / name.lower())
    monkeypatch.setattr("shutil.chown", lambda *_: None)
    return tmp_path


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_kamailio_is_told_its_addresses_and_number() -> None:
    boot.write_kamailio(PUBLIC)
    assert (paths.KAMAILIO / "local.cfg").read_text() == (
        "#!define PRIVATE_IP 10.40.64.5\n"
        "#!define PUBLIC_IP 203.0.113.7\n"
        f"#!define NODE_ID {64 * 256 + 5}\n"
        "#!define ZONE eu-central-1a\n"
    )


def test_an_instance_without_public_address_advertises_its_private_one() -> None:
    boot.write_kamailio(FACTS)
    assert "PUBLIC_IP 10.40.64.5\n" in (paths.KAMAILIO / "local.cfg").read_text()


def test_kamailio_starts_with_empty_lists_but_keeps_those_it_has() -> None:
    for name in ("dispatcher.list", "rtpengine"):
        (paths.INITIAL_LISTS / name).write_text("empty\n")
    (paths.KAMAILIO / "rtpengine").write_text("full\n")
    boot.write_kamailio(FACTS)
    assert (paths.KAMAILIO / "dispatcher.list").read_text() == "empty\n"
    assert (paths.KAMAILIO / "rtpengine").read_text() == "full\n"
    assert _mode(paths.KAMAILIO / "dispatcher.list") == 0o644


def test_rtpengine_binds_the_private_address_and_advertises_the_public_one() -> None:
    boot.write_rtpengine(config(role=Role.RTP), PUBLIC)
    assert "C4_INTERFACE=10.40.64.5!203.0.113.7\n" in paths.RTPENGINE_ENV.read_text()


def test_the_service_definition_gets_the_public_address() -> None:
    definition = {"service": {"id": "acme-sbc", "meta": {"zone": "eu-central-1a"}}}
    paths.SERVICE.write_text(json.dumps(definition))
    boot.write_service(PUBLIC)
    written = json.loads((paths.CONSUL / "service.json").read_text())
    assert written["service"]["meta"] == {"zone": "eu-central-1a", "public_ip": "203.0.113.7"}


@pytest.mark.parametrize("text", ["", "{", '{"service": []}', "{}"])
def test_a_broken_service_definition_is_named(text: str) -> None:
    paths.SERVICE.write_text(text)
    with pytest.raises(AgentError, match=str(paths.SERVICE)):
        boot.write_service(PUBLIC)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("private_ip", "CI_MISSING_JINJA_VAR/local_ipv4"),  # what cloud-init writes then
        ("zone", ""),
        ("instance_id", "i-xyz"),
        ("region", "nowhere"),
    ],
)
def test_a_fact_that_cloud_init_could_not_fill_in_is_named(
    field: str, value: str, tmp_path: Path
) -> None:
    path = tmp_path / "instance.json"
    path.write_text(json.dumps({**json.loads(FACTS.model_dump_json()), field: value}))
    with pytest.raises(AgentError, match=f"{field}: '{value}'"):
        facts.load(path)


@pytest.fixture
def secretsmanager(aws: str) -> Any:
    return boto3.client("secretsmanager", region_name=aws)


def test_servers_and_instances_get_what_they_need_and_no_more(
    secretsmanager: Any, tenant: str, folders: Path
) -> None:
    names = {
        "consul_agent": f"c4/{tenant}/consul/agent",
        "consul_server": f"c4/{tenant}/consul/server",
        "consul_tier": f"c4/{tenant}/acme/consul/router",
    }
    for name in names.values():
        secretsmanager.create_secret(Name=name)
    instance = config(
        secrets=Secrets(consul_agent=names["consul_agent"], consul_tier=names["consul_tier"])
    )
    with pytest.raises(AgentError, match="has no value yet"):
        write_all(instance, FACTS)

    server = config(
        role=Role.CONSUL_SERVER, service=None, deployment=tenant,
        secrets=Secrets(consul_agent=names["consul_agent"], consul_server=names["consul_server"]),
    )  # fmt: skip
    write_all(server, FACTS)
    of_server = json.loads((paths.CONSUL / "secrets.json").read_text())
    assert (paths.CONSUL_TLS / "server-key.pem").exists()
    for path in [*paths.CONSUL.glob("*.json"), *paths.CONSUL_TLS.iterdir(), paths.CONSUL_TOKENS]:
        assert _mode(path) == 0o400, path
        path.unlink()

    secretsmanager.put_secret_value(
        SecretId=names["consul_tier"], SecretString='{"token": "tier-token"}'
    )
    write_all(instance, FACTS)
    of_instance = json.loads((paths.CONSUL / "secrets.json").read_text())
    assert of_instance["encrypt"] == of_server["encrypt"]
    assert of_instance["acl"]["tokens"] == {"agent": "tier-token", "default": "tier-token"}
    assert [path.name for path in paths.CONSUL_TLS.iterdir()] == ["ca.pem"]
    for value in (of_server, of_instance):
        # Sixty instances that look for servers ask EC2 15 times a second at most.
        assert 4000 <= int(value["retry_interval"].removesuffix("ms")) <= 8000
    management = of_server["acl"]["tokens"]["initial_management"]
    for path in folders.rglob("*"):
        assert path.is_dir() or management not in path.read_text(), path


def test_instances_without_servers_do_not_ask_ec2_in_step(
    secretsmanager: Any, tenant: str, folders: Path
) -> None:
    names = {"consul_agent": f"c4/{tenant}/agent", "consul_tier": f"c4/{tenant}/router"}
    value = {"gossip_key": "key", "ca_certificate": "pem", "token": "token"}
    for name in names.values():
        secretsmanager.create_secret(Name=name, SecretString=json.dumps(value))
    intervals = set()
    for _ in range(5):
        write_all(config(secrets=Secrets(**names)), FACTS)
        intervals.add(json.loads((paths.CONSUL / "secrets.json").read_text())["retry_interval"])
        for path in [*paths.CONSUL.glob("*.json"), *paths.CONSUL_TLS.iterdir()]:
            path.unlink()
    assert len(intervals) > 1


def test_router_confd_gets_its_keys_and_a_certificate_but_not_the_authority(
    secretsmanager: Any, tenant: str
) -> None:
    name = f"c4/demo/{tenant}/router-confd"
    secretsmanager.create_secret(Name=name)
    chosen = config(
        role=Role.ROUTER_CONFD,
        service=f"{tenant}-router-confd",
        secrets=Secrets(consul_agent="unused", router_confd=name),
    )
    router_confd.write_secrets(chosen, FACTS)
    keys = json.loads((paths.SECRETS / router_confd.SECRETS_FILE).read_text())
    assert keys.keys() == {"api_key", "encryption_key"}
    stored = json.loads(secretsmanager.get_secret_value(SecretId=name)["SecretString"])
    for path in paths.SECRETS.iterdir():
        assert _mode(path) == 0o400
        assert stored["ca_key"] not in path.read_text()
    context = ssl.create_default_context(cadata=stored["ca_certificate"])
    context.load_cert_chain(paths.SECRETS / "api.pem", paths.SECRETS / "api-key.pem")


def _database(aws: str, identifier: str) -> None:
    boto3.client("rds", region_name=aws).create_db_instance(
        DBInstanceIdentifier=identifier, DBInstanceClass="db.t4g.small", Engine="postgres",
        AllocatedStorage=20, MasterUsername="postgres", ManageMasterUserPassword=True,
    )  # fmt: skip


def test_router_confd_gets_the_address_and_credentials_of_its_database(
    aws: str, tenant: str
) -> None:
    identifier = f"c4-demo-{tenant}"
    chosen = config(
        role=Role.ROUTER_CONFD, database=Database(instance=identifier, name="router_confd")
    )
    with pytest.raises(AgentError, match=identifier):
        router_confd.write_database(chosen, FACTS)
    _database(aws, identifier)
    router_confd.write_database(chosen, FACTS)
    environment = dict(
        line.split("=", 1) for line in paths.ROUTER_CONFD_ENV.read_text().splitlines()
    )
    assert environment["C4_ROUTER_CONFD_DATABASE_HOST"].startswith(identifier)
    credentials = Path(environment["C4_ROUTER_CONFD_DATABASE_CREDENTIALS_FILE"])
    assert json.loads(credentials.read_text()).keys() == {"username", "password"}
    assert _mode(credentials) == 0o400
    password = json.loads(credentials.read_text())["password"]
    assert password not in paths.ROUTER_CONFD_ENV.read_text()


def test_a_rotated_password_reaches_router_confd(aws: str, tenant: str) -> None:
    identifier = f"c4-demo-{tenant}"
    chosen = config(
        role=Role.ROUTER_CONFD, database=Database(instance=identifier, name="router_confd")
    )
    _database(aws, identifier)
    router_confd.write_credentials(chosen)
    path = paths.SECRETS / router_confd.DATABASE_FILE
    before = path.stat().st_ino
    router_confd.write_credentials(chosen)
    assert path.stat().st_ino == before  # unchanged: not written again
    secrets = boto3.client("secretsmanager", region_name=aws)
    described = boto3.client("rds", region_name=aws).describe_db_instances(
        DBInstanceIdentifier=identifier
    )["DBInstances"][0]
    secrets.put_secret_value(
        SecretId=described["MasterUserSecret"]["SecretArn"],
        SecretString=json.dumps({"username": "postgres", "password": "rotated"}),
    )
    router_confd.write_credentials(chosen)
    assert json.loads(path.read_text())["password"] == "rotated"


def test_a_password_that_the_database_refuses_is_read_again(
    aws: str, tenant: str, metrics_page: MetricsPage
) -> None:
    """Not only at the next interval, minutes later: router-confd says that its login is refused."""
    identifier = f"c4-demo-{tenant}"
    chosen = config(
        role=Role.ROUTER_CONFD,
        database=Database(instance=identifier, name="router_confd"),
        ports=Ports(**dict.fromkeys(Ports.model_fields, metrics_page.port)),
    )
    facts = FACTS.model_copy(update={"private_ip": IPv4Address("127.0.0.1")})
    _database(aws, identifier)
    path = paths.SECRETS / router_confd.DATABASE_FILE
    imds: Any = None  # the task uses neither of them
    instance = Instance(chosen, facts, imds, consul=imds)
    refused = RefusedLogin(instance)
    metrics_page.text = f"# HELP {LOGIN_REFUSED} x\n{LOGIN_REFUSED} 0.0\n"
    refused.run()
    assert not path.exists()
    metrics_page.text = f"{LOGIN_REFUSED} 1.0\n"
    refused.run()
    assert json.loads(path.read_text()).keys() == {"username", "password"}
    metrics_page.close()
    refused.run()  # a router-confd that does not answer is the health check's business


class MetricsPage:
    """An HTTP server on loopback that answers everything with `text`."""

    def __init__(self) -> None:
        self.text = ""
        page = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.end_headers()
                self.wfile.write(page.text.encode())

            def log_message(self, *_: object) -> None: ...

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def metrics_page() -> Iterator[MetricsPage]:
    page = MetricsPage()
    yield page
    page.close()
