"""What happens when the database starts late, goes away, comes back, or changes its password."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import httpx
import pytest

from agent.checks import probes
from agent.consul import pki
from common.router_confd import LOGIN_REFUSED
from testbed.busy import Stopwatch
from testbed.router_confd.call_records import record, send, stored
from testbed.router_confd.instance import Instance, Site, eventually
from testbed.router_confd.postgres import PASSWORD, USER, Postgres, new_database

pytestmark = pytest.mark.db


class Cluster:
    """A database server of its own, and two instances on it."""

    def __init__(self, server: Postgres, make: Callable[..., Instance], **extra: str) -> None:
        self.server = server
        self.database = new_database(server)
        self.one, self.two = (make(server, self.database, **extra) for _ in range(2))


@pytest.fixture(scope="module")
def cluster(
    postgres_factory: Callable[[], Postgres], instances: Callable[..., Instance]
) -> Cluster:
    """Both instances started at once on the empty database."""
    server = postgres_factory()
    server.start()
    result = Cluster(server, instances)
    for instance in (result.one, result.two):
        instance.start(wait=False)
    for instance in (result.one, result.two):
        instance.wait()
    return result


@pytest.fixture
def shared(cluster: Cluster) -> Iterator[Site]:
    """A tenant on the cluster, whose database and instances run again at the end."""
    yield Site(cluster.one)
    with_database(cluster)


def with_database(cluster: Cluster) -> None:
    """Make sure that the server runs and that both instances have noticed."""
    if not (cluster.server.directory / "data" / "postmaster.pid").exists():
        cluster.server.start()
    for instance in (cluster.one, cluster.two):
        eventually(partial(connected, instance))


def connected(instance: Instance) -> bool:
    return "router_confd_database_connected 1.0" in instance.kamailio.get("/metrics").text


def reaches(instance: Instance, site: Site) -> bool:
    reply = instance.route(to_uri=f"sip:x@{site.domain_text}")
    return bool(reply["rtjson"]["success"])


# --- several instances -----------------------------------------------------------------------


def test_two_instances_start_at_once_on_an_empty_database(cluster: Cluster, shared: Site) -> None:
    assert cluster.server.sql("SELECT version_num FROM alembic_version", cluster.database)
    for instance in (cluster.one, cluster.two):
        assert instance.api.get("/1.0/tenants").status_code == 200


def test_a_change_reaches_the_other_instance(cluster: Cluster, shared: Site) -> None:
    eventually(lambda: reaches(cluster.two, shared), 2)
    url = f"/1.0/domains/{shared.domain['id']}"
    cluster.two.api.put(url, json={"domain": "moved-" + shared.domain_text})
    assert not reaches(cluster.two, shared)
    eventually(lambda: not reaches(cluster.one, shared), 2)
    cluster.two.api.delete(f"/1.0/tenants/{shared.uuid}")
    eventually(lambda: not cluster.one.auth(source_ip=shared.trunk_address)["success"], 2)


def test_changes_by_sql_and_in_bulk_arrive(cluster: Cluster, shared: Site) -> None:
    cluster.server.sql(
        "INSERT INTO dids"
        " (tenant_uuid, ipbx_id, carrier_trunk_id, did_regex, did_prefix, is_number)"
        f" SELECT '{shared.uuid}', {shared.ipbx['id']}, {shared.trunk['id']}, n, n, true"
        " FROM (SELECT '7000' || generate_series(10000, 30000) AS n) AS numbers",
        cluster.database,
    )
    eventually(lambda: shared.inbound("700020000")["rtjson"]["success"], 10)
    cluster.server.sql("DELETE FROM dids WHERE did_prefix = '700020000'", cluster.database)
    eventually(lambda: not shared.inbound("700020000")["rtjson"]["success"], 2)
    assert shared.inbound("700020001")["rtjson"]["success"]


def test_a_write_is_in_force_on_its_instance_when_it_is_answered(shared: Site) -> None:
    for i in range(30):
        shared.add_did(f"^8000{i:04d}$")
        assert shared.inbound(f"8000{i:04d}")["rtjson"]["success"], i


# --- outage ----------------------------------------------------------------------------------


def test_routing_goes_on_while_the_database_is_down(cluster: Cluster, shared: Site) -> None:
    shared.add_did("^9000[0-9]$")
    eventually(lambda: reaches(cluster.two, shared))
    cluster.server.stop()
    slowest = 0.0
    for attempt in range(60):
        instance = (cluster.one, cluster.two)[attempt % 2]
        watch = Stopwatch()
        assert reaches(instance, shared)
        assert shared.inbound(f"9000{attempt % 10}")["rtjson"]["success"]
        assert instance.auth(source_ip=shared.trunk_address)["success"]
        assert instance.kamailio.get("/status").status_code == 204
        slowest = max(slowest, watch.own_s())
        time.sleep(0.05)
    assert slowest < 1.0
    watch = Stopwatch()
    answer = cluster.one.api.get("/1.0/tenants")
    assert answer.status_code == 503 and answer.headers["Retry-After"]
    write = cluster.one.api.post("/1.0/carriers", json={"name": "x", "tenant_uuid": shared.uuid})
    assert write.status_code == 503
    assert watch.own_s() < 5


def test_changes_made_meanwhile_are_there_after_the_outage(cluster: Cluster, shared: Site) -> None:
    """An instance that lost its connection missed the notifications: it must load anew."""
    eventually(lambda: reaches(cluster.two, shared))
    loads = cluster.two.kamailio.get("/metrics").text
    cluster.server.sql(
        f"UPDATE domains SET domain = 'unseen.example.com' WHERE id = {shared.domain['id']};"
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE application_name = 'router-confd'",
        cluster.database,
    )
    eventually(lambda: not reaches(cluster.two, shared))
    eventually(lambda: cluster.two.kamailio.get("/metrics").text != loads)
    assert cluster.two.route(to_uri="sip:x@unseen.example.com")["rtjson"]["success"]


def test_cdrs_survive_the_outage_exactly_once(cluster: Cluster, shared: Site) -> None:
    sent = 40
    acknowledged: list[str] = []

    def sender(instance: Instance, name: str) -> None:
        for i in range(sent):
            key = f"{name}-{i}"
            answer = send(instance, record(shared, call_id=key, idempotency_key=key))
            if answer.status_code == 200 and answer.json()["success"]:
                acknowledged.append(key)
            time.sleep(0.02)

    eventually(lambda: cluster.two.auth(source_ip=shared.trunk_address)["success"])
    threads = [
        threading.Thread(target=sender, args=(instance, name))
        for instance, name in ((cluster.one, "one"), (cluster.two, "two"))
    ]
    for thread in threads:
        thread.start()
    time.sleep(0.4)
    cluster.server.stop()  # a crash, in the middle of it
    for thread in threads:
        thread.join()
    assert len(acknowledged) == 2 * sent  # not one was refused
    waiting = len(list(cluster.one.spool.glob("*.json")))
    assert waiting > 0

    assert cluster.one.stop(kill=True) != 0  # and the instance dies with records on its disk
    cluster.server.start()
    cluster.one.start()
    eventually(lambda: not list(cluster.one.spool.glob("*.json")), 20)
    eventually(lambda: not list(cluster.two.spool.glob("*.json")), 20)
    assert sorted(row["call_id"] for row in stored(shared)) == sorted(acknowledged)


def test_cdr_is_not_stored_twice_when_its_file_outlives_it(
    cluster: Cluster, shared: Site, tmp_path: Path
) -> None:
    """A crash between storing and deleting the file leaves the file; it must change nothing."""
    from uuid import NAMESPACE_OID, uuid5

    key = uuid5(NAMESPACE_OID, f"{shared.uuid}/twice")
    assert send(cluster.one, record(shared, call_id="twice", idempotency_key="twice"))
    left = {
        "tenant_uuid": shared.uuid, "idempotency_key": str(key), "source_ip": "10.0.0.1",
        "source_port": 5060, "from_uri": "sip:a@b", "to_uri": "sip:c@d", "call_id": "twice",
        "call_start": None, "duration": 1, "ipbx_id": None, "carrier_trunk_id": None,
    }  # fmt: skip
    cluster.one.stop()
    (cluster.one.spool / f"{key}.json").write_text(json.dumps(left))
    cluster.one.start()
    eventually(lambda: not list(cluster.one.spool.glob("*.json")))
    assert [row["call_id"] for row in stored(shared)] == ["twice"]
    assert not list((cluster.one.spool / "rejected").iterdir())


def test_a_cdr_that_can_never_be_stored_holds_up_no_other(cluster: Cluster, shared: Site) -> None:
    good = record(shared, call_id="good")
    lost = Site(cluster.one)
    cluster.server.stop()
    for body in (record(lost, call_id="lost"), good):
        assert send(cluster.one, body).json()["success"]
    cluster.one.stop(kill=True)
    cluster.server.start()
    cluster.server.sql(f"DELETE FROM tenants WHERE uuid = '{lost.uuid}'", cluster.database)
    cluster.one.start()
    eventually(lambda: [row["call_id"] for row in stored(shared)] == ["good"])
    (rejected,) = (cluster.one.spool / "rejected").iterdir()
    assert json.loads(rejected.read_text())["call_id"] == "lost"
    rejected.unlink()


def test_too_old_a_copy_and_a_full_spool_are_503(
    cluster: Cluster, instances: Callable[..., Instance]
) -> None:
    strict = instances(
        cluster.server,
        cluster.database,
        C4_ROUTER_CONFD_MAX_STALENESS="4",
        C4_ROUTER_CONFD_SPOOL_LIMIT="2",
    ).start()
    site = Site(strict)
    cluster.server.stop()
    try:
        codes = [send(strict, record(site)).status_code for _ in range(3)]
        assert codes == [200, 200, 503]
        eventually(lambda: strict.kamailio.get("/status").status_code == 503)
        watch = Stopwatch()
        for path, body in (
            ("routing", {"from_uri": "sip:a@b", "to_uri": "sip:a@b"}),
            ("auth", {"source_ip": site.trunk_address}),
        ):
            answer = strict.kamailio.post(f"/1.0/kamailio/{path}", json=body)
            assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
        assert strict.kamailio.get("/1.0/kamailio/dbtext/uacreg").status_code == 503
        assert watch.own_s() < 1
    finally:
        with_database(cluster)
    eventually(lambda: strict.serving)
    assert reaches(strict, site)
    strict.stop()


def test_a_frozen_database_hangs_no_request(cluster: Cluster, shared: Site) -> None:
    """Worse than down: it accepts connections and never answers."""
    import os
    import signal
    import subprocess

    pidfile = cluster.server.directory / "data" / "postmaster.pid"
    postmaster = int(pidfile.read_text().splitlines()[0])
    listing = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(postmaster)], text=True, capture_output=True, check=True
    )
    pids = [postmaster, *map(int, listing.stdout.split())]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        for _ in range(10):
            watch = Stopwatch()
            assert reaches(cluster.one, shared)
            assert watch.own_s() < 1
        watch = Stopwatch()
        assert send(cluster.one, record(shared, call_id="frozen")).json()["success"]
        assert watch.own_s() < 5
        assert cluster.one.api.get("/1.0/tenants", timeout=30).status_code == 503
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
    eventually(lambda: [row["call_id"] for row in stored(shared)] == ["frozen"], 30)


def test_killing_one_instance_under_load_loses_no_call(cluster: Cluster, shared: Site) -> None:
    """As the router does: an instance that does not answer 200 is passed by for the next."""
    shared.add_did("^7100[0-9]$")
    eventually(lambda: cluster.two.auth(source_ip=shared.trunk_address)["success"])
    lost: list[Any] = []
    answered = [0]
    stop = threading.Event()
    body = {"auth": "1", "source_ip": shared.trunk_address, "from_uri": "sip:1@a"}

    def call(urls: list[str], number: int) -> bool:
        with httpx.Client(timeout=10) as client:
            for url in urls:
                try:
                    question = body | {"to_uri": f"sip:7100{number % 10}@x"}
                    answer = client.post(f"{url}/1.0/kamailio/routing", json=question)
                except httpx.HTTPError:
                    continue
                if answer.status_code == 200:
                    return bool(answer.json()["rtjson"]["success"])
        return False

    def load(order: list[Instance]) -> None:
        urls = [str(instance.kamailio.base_url) for instance in order]
        number = 0
        while not stop.is_set():
            number += 1
            if call(urls, number):
                answered[0] += 1
            else:
                lost.append(number)
            time.sleep(0.005)

    orders = ([cluster.one, cluster.two], [cluster.two, cluster.one])
    threads = [threading.Thread(target=load, args=(order,)) for order in orders]
    for thread in threads:
        thread.start()
    time.sleep(1)
    cluster.one.stop(kill=True)
    time.sleep(1)
    cluster.one.start()
    time.sleep(0.5)
    stop.set()
    for thread in threads:
        thread.join()
    assert not lost and answered[0] > 50


# --- a new database --------------------------------------------------------------------------


def test_a_database_made_anew_is_migrated_by_running_instances(
    postgres_factory: Callable[[], Postgres], instances: Callable[..., Instance]
) -> None:
    """As after a replacement of the RDS instance: the same name, and nothing in it."""
    server = postgres_factory()
    server.start()
    cluster = Cluster(server, instances)
    for instance in (cluster.one, cluster.two):
        instance.start()
    before = Site(cluster.one)
    eventually(lambda: reaches(cluster.two, before))
    server.sql(f"DROP DATABASE {cluster.database} WITH (FORCE)")
    eventually(lambda: not connected(cluster.one))
    answer = cluster.one.api.get("/1.0/tenants")
    assert answer.status_code == 503 and "does not exist" in answer.text
    server.sql(f"CREATE DATABASE {cluster.database}")
    for instance in (cluster.one, cluster.two):
        eventually(partial(connected, instance))
        assert instance.api.get("/1.0/tenants").json()["items"] == []
    after = Site(cluster.two)
    eventually(lambda: reaches(cluster.one, after))
    for instance in (cluster.one, cluster.two):
        assert "Traceback" not in instance.log.read_text()
        assert instance.stop() == 0
    server.remove()


def test_tables_that_were_dropped_are_made_again(
    postgres: Postgres, instances: Callable[..., Instance]
) -> None:
    """No connection is lost here; an answer meanwhile is 503, never 500."""
    name = new_database(postgres)
    instance = instances(postgres, name).start()
    Site(instance)
    postgres.sql(f"DROP SCHEMA public CASCADE; CREATE SCHEMA public AUTHORIZATION {USER}", name)
    codes = set()

    def works() -> bool:
        codes.add(instance.api.get("/1.0/tenants").status_code)
        return codes >= {200}

    eventually(works, 20)
    assert codes <= {200, 503}
    assert instance.api.get("/1.0/tenants").json()["items"] == []
    instance.stop()


def test_an_older_schema_is_migrated_and_a_newer_one_is_left_alone(
    postgres: Postgres, instances: Callable[..., Instance]
) -> None:
    """A backup brings back an older one; in a rolling update another instance has a newer one."""
    name = new_database(postgres)
    instance = instances(postgres, name).start()
    postgres.sql("UPDATE alembic_version SET version_num = 'from-the-future'", name)
    again = instances(postgres, name).start()
    assert again.api.get("/1.0/tenants").status_code == 200
    assert "newer than this program" in again.log.read_text()
    again.stop()
    backup = (
        "ALTER TABLE ipbx DROP COLUMN transport; ALTER TABLE carrier_trunks DROP COLUMN transport;"
        " UPDATE alembic_version SET version_num = '0003';"
        f" SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
        " AND application_name = 'router-confd'"
    )
    postgres.sql(backup, name)
    eventually(lambda: postgres.sql("SELECT version_num FROM alembic_version", name) == "0004")
    eventually(lambda: instance.api.get("/1.0/ipbxs").status_code == 200)
    instance.stop()


# --- starting, credentials, TLS --------------------------------------------------------------


def test_it_waits_for_a_database_that_comes_late(
    postgres_factory: Callable[[], Postgres], instances: Callable[..., Instance]
) -> None:
    server = postgres_factory()
    early = instances(server, "late").start(wait=False)
    eventually(lambda: early.kamailio.get("/status").status_code == 503, 40)
    assert early.kamailio.post("/1.0/kamailio/auth", json={}).status_code == 503
    server.start()
    time.sleep(1)  # the server is there, the database not yet
    server.sql("CREATE DATABASE late")
    early.wait()
    assert early.stop() == 0
    server.remove()


@pytest.fixture(scope="module")
def tls_server(
    postgres_factory: Callable[[], Postgres], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Postgres, Path]]:
    authority = pki.new_authority("database")
    pair = pki.issue_server(authority, ["localhost"], IPv4Address("127.0.0.1"))
    directory = tmp_path_factory.mktemp("ca")
    for name, text in {
        "ca.pem": authority.certificate,
        "server.pem": pair.certificate,
        "server.key": pair.key,
    }.items():
        (directory / name).write_text(text)
    server = postgres_factory()
    server.use_certificate(directory / "server.pem", directory / "server.key")
    server.start()
    yield server, directory / "ca.pem"
    server.remove()


def test_tls_is_verified_and_a_rotated_password_is_picked_up(
    tls_server: tuple[Postgres, Path], instances: Callable[..., Instance]
) -> None:
    server, ca = tls_server
    name = new_database(server)
    instance = instances(
        server, name, C4_ROUTER_CONFD_DATABASE_HOST="127.0.0.1", C4_ROUTER_CONFD_DATABASE_CA=str(ca)
    ).start()
    encrypted = server.sql(
        "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)"
        f" WHERE datname = '{name}'"
    )
    assert encrypted == "t"

    server.sql(f"ALTER ROLE {USER} PASSWORD 'rotated-password'")
    instance.credentials.write_text(json.dumps({"username": USER, "password": "rotated-password"}))
    server.sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
    eventually(lambda: instance.api.get("/1.0/tenants").status_code == 200)
    eventually(lambda: connected(instance))
    server.sql(f"ALTER ROLE {USER} PASSWORD '{PASSWORD}'")
    instance.stop()


def test_a_refused_login_is_reported_until_the_agent_writes_another(
    tls_server: tuple[Postgres, Path], instances: Callable[..., Instance]
) -> None:
    """The agent reads the secret again when this metric says so (`agent.roles.router_confd`)."""
    server, ca = tls_server
    name = new_database(server)
    instance = instances(
        server, name, C4_ROUTER_CONFD_DATABASE_HOST="127.0.0.1", C4_ROUTER_CONFD_DATABASE_CA=str(ca)
    ).start()
    assert probes.metric("127.0.0.1", instance.internal_port, "/metrics", LOGIN_REFUSED) == 0
    server.sql(f"ALTER ROLE {USER} PASSWORD 'changed-password'")
    server.sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
    try:
        eventually(lambda: _login_refused(instance))
        answer = instance.api.get("/1.0/tenants")
        assert answer.status_code == 503 and "refuses the login" in answer.text
        assert instance.serving  # routing goes on
        text = json.dumps({"username": USER, "password": "changed-password"})
        instance.credentials.write_text(text)
        assert not _login_refused(instance)
        eventually(lambda: instance.api.get("/1.0/tenants").status_code == 200, 10)
    finally:
        server.sql(f"ALTER ROLE {USER} PASSWORD '{PASSWORD}'")
        instance.stop()


def _login_refused(instance: Instance) -> bool:
    return bool(probes.metric("127.0.0.1", instance.internal_port, "/metrics", LOGIN_REFUSED))


def test_a_server_of_another_authority_is_refused(
    tls_server: tuple[Postgres, Path], instances: Callable[..., Instance], tmp_path: Path
) -> None:
    server, _ = tls_server
    other = tmp_path / "ca.pem"
    other.write_text(pki.new_authority("another").certificate)
    instance = instances(
        server, new_database(server), C4_ROUTER_CONFD_DATABASE_HOST="127.0.0.1",
        C4_ROUTER_CONFD_DATABASE_CA=str(other),
    ).start(wait=False)  # fmt: skip
    eventually(lambda: "not available" in instance.log.read_text(), 40)
    assert not instance.serving
    assert PASSWORD not in instance.log.read_text()
    instance.stop()


def test_no_secret_in_any_log(cluster: Cluster, shared: Site) -> None:
    shared.add_trunk("log" + shared.uuid, "h", auth_username="u", auth_password="in-no-log")
    cluster.one.api.post(
        "/1.0/ipbxs",
        json={"tenant_uuid": shared.uuid, "domain_id": 2_000_000_000, "ip_fqdn": "h",
              "username": "u", "password": "in-no-log"},
    )  # fmt: skip
    for instance in (cluster.one, cluster.two):
        text = instance.log.read_text()
        for secret in ("in-no-log", PASSWORD, "operator-key", "encryption-key"):
            assert secret not in text
