"""Call records that are committed together: each has the fate it would have had alone."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from testbed.busy import Stopwatch
from testbed.router_confd.call_records import record, send, stored
from testbed.router_confd.instance import Instance, Site, eventually
from testbed.router_confd.pair import Pair
from testbed.router_confd.postgres import Postgres

pytestmark = pytest.mark.db

MANY = 20


@pytest.fixture(scope="module")
def pair(
    postgres_factory: Callable[[], Postgres], instances: Callable[..., Instance]
) -> Iterator[Pair]:
    server = postgres_factory()
    server.start()
    made = Pair(server, instances)
    yield made
    for instance in (made.one, made.two):
        instance.stop(kill=True)


@contextmanager
def together(pair: Pair, instance: Instance, bodies: list[dict[str, Any]]) -> Iterator[list[Any]]:
    """Answers, in order, to records that came while one commit was held up; then it goes on."""
    plug = pair.site()
    with ThreadPoolExecutor(len(bodies) + 1) as senders:
        with pair.locked():
            first = senders.submit(send, instance, record(plug))
            eventually(pair.waiting, 30)
            answers = [senders.submit(send, instance, body) for body in bodies]
            time.sleep(0.4)
            assert pair.waiting() == 1, "the others wait in the instance"
        yield [answer.result() for answer in answers]
        assert first.result().json()["success"]


def test_a_bad_record_among_others_loses_only_itself(pair: Pair) -> None:
    site, lost = pair.site(), pair.site()
    # The instance does not hear of it, as when a record and a deletion cross.
    pair.server.sql(
        f"SET session_replication_role = replica; DELETE FROM tenants WHERE uuid = '{lost.uuid}'",
        pair.database,
    )
    bodies = [record(site, call_id=f"good-{i}") for i in range(MANY)]
    bodies[7] = record(lost)
    with together(pair, pair.one, bodies) as answers:
        codes = [answer.status_code for answer in answers]
    assert codes == [500 if i == 7 else 200 for i in range(MANY)]
    expected = {f"good-{i}" for i in range(MANY) if i != 7}
    assert {row["call_id"] for row in stored(site)} == expected
    assert not list(pair.one.spool.glob("*.json"))
    assert send(pair.one, record(site)).json()["success"], "and the next one is taken"


def test_one_key_twice_among_others_is_stored_once(pair: Pair) -> None:
    site, other = pair.site(), pair.site()
    bodies = [record(site, idempotency_key=f"k{i % 3}", call_id=f"c{i % 3}") for i in range(MANY)]
    bodies += [record(other, idempotency_key="k0")]
    assert send(pair.two, bodies[1]).json()["success"], "one is there already"
    with together(pair, pair.one, bodies) as answers:
        assert all(answer.json()["success"] for answer in answers)
    assert sorted(row["call_id"] for row in stored(site)) == ["c0", "c1", "c2"]
    assert len(stored(other)) == 1


def test_what_the_database_does_not_take_in_time_is_on_disk_when_it_is_confirmed(
    pair: Pair,
) -> None:
    site = pair.site()
    bodies = [record(site, idempotency_key=f"slow-{i}", call_id=f"s{i}") for i in range(MANY)]
    with ThreadPoolExecutor(MANY) as senders, pair.locked():
        watch, started = Stopwatch(), time.monotonic()
        answers = list(senders.map(lambda body: send(pair.one, body), bodies))
        took, own_s = time.monotonic() - started, watch.own_s()
        assert len(list(pair.one.spool.glob("*.json"))) == MANY
    assert all(answer.json()["success"] for answer in answers)
    assert took > 1
    assert own_s < 2.5, "a router waits for 3 s"
    eventually(lambda: not list(pair.one.spool.glob("*.json")), 20)
    assert sorted(row["call_id"] for row in stored(site)) == sorted(f"s{i}" for i in range(MANY))


def test_killed_before_it_confirmed_nothing_is_lost_and_nothing_twice(pair: Pair) -> None:
    """The router sends again what was not confirmed, to the other instance."""
    site = pair.site()
    bodies = [record(site, idempotency_key=f"kill-{i}", call_id=f"k{i}") for i in range(MANY)]
    confirmed: list[str] = []

    def attempt(body: dict[str, Any]) -> None:
        with httpx.Client(base_url=str(pair.one.kamailio.base_url), timeout=5) as client:
            try:
                answer = client.post("/1.0/kamailio/cdr", json=body)
            except httpx.HTTPError:
                return
            if answer.status_code == 200 and answer.json()["success"]:
                confirmed.append(body["call_id"])

    with ThreadPoolExecutor(MANY) as senders, pair.locked():
        for body in bodies:
            senders.submit(attempt, body)
        eventually(pair.waiting, 30)
        pair.one.stop(kill=True)
    assert len(confirmed) < MANY, "it was killed before it could confirm"
    # What was on its way to the database may have arrived, or may not.
    for body in bodies:
        if body["call_id"] not in confirmed:
            assert send(pair.two, body).json()["success"]
    pair.one.start()
    eventually(lambda: not list(pair.one.spool.glob("*.json")), 20)
    rows = pair.two.api.get("/1.0/cdrs", params={"limit": 100_000}).json()["items"]
    found = sorted(row["call_id"] for row in rows if row["tenant_uuid"] == site.uuid)
    assert found == sorted(body["call_id"] for body in bodies)


def test_a_restarted_database_costs_no_record(pair: Pair) -> None:
    """The connection of the records is found broken when the next one comes."""
    site = pair.site()
    for i in range(3):
        pair.server.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE query LIKE 'INSERT INTO cdrs%'"
        )
        assert send(pair.one, record(site, call_id=f"r{i}")).json()["success"]
        assert f"r{i}" in {row["call_id"] for row in stored(site)}
    assert not list(pair.one.spool.glob("*.json"))


def test_a_database_that_cannot_take_records_loses_none(pair: Pair) -> None:
    """Not the record's fault, such as a full disk: it waits on ours until that is repaired."""
    site = pair.site()
    pair.server.sql("ALTER TABLE cdrs RENAME TO elsewhere", pair.database)
    try:
        assert send(pair.one, record(site, call_id="kept")).json()["success"]
        time.sleep(1.5)  # an attempt of delivery fails as well
        assert len(list(pair.one.spool.glob("*.json"))) == 1
    finally:
        pair.server.sql("ALTER TABLE elsewhere RENAME TO cdrs", pair.database)
    eventually(lambda: not list(pair.one.spool.glob("*.json")), 20)
    assert [row["call_id"] for row in stored(site)] == ["kept"]
    assert not list((pair.one.spool / "rejected").iterdir())


# --- the same answers ------------------------------------------------------------------------

TEXTS = st.one_of(
    st.sampled_from(["", "sip:a@b", "7", " 7 ", "x" * 64, "x" * 65, "x" * 257, "a\x00b", "a\nb"]),
    st.text(max_size=20),
)
VALUES = st.one_of(
    TEXTS, st.none(), st.booleans(), st.integers(-(2**40), 2**40), st.floats(),
    st.sampled_from([2**31, 2**31 - 1, 1e22, 1e400, 10**30, "2020-01-01T00:00:00+05:00",
                     "2020-01-01", "0001-01-01T00:00:00+14:00", 1_600_000_000_000]),
    st.lists(st.none(), max_size=1), st.just({"a": 1}),
)  # fmt: skip
FIELDS = ["event", "source_ip", "source_port", "call_id", "from_uri", "to_uri", "call_start",
          "duration", "ipbx_id", "carrier_trunk_id", "idempotency_key", "other"]  # fmt: skip
CHANGES = st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=4)
BODIES = st.sampled_from(
    [b"", b"{", b"[]", b"null", b"7", b'"x"', b"\xff", b'{"a": "\\ud800"}', b"\xef\xbb\xbf{}",
     b'{"from_uri": "a", "to_uri": NaN}', '{"from_uri": "a"}'.encode("utf-16"), b"[" * 5000]
)  # fmt: skip


@pytest.fixture(scope="module")
def asked(confd: Instance) -> Site:
    return Site(confd)


def _both_ways(confd: Instance, body: bytes, path: str = "cdr") -> tuple[Any, Any]:
    """Answers of the fast path and of FastAPI: a parameter keeps the request from the former."""
    return tuple(  # type: ignore[return-value]
        confd.kamailio.post(
            f"/1.0/kamailio/{path}", content=body, headers={"Content-Type": content_type}
        )
        for content_type in ("application/json", "application/json; charset=utf-8")
    )


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(CHANGES, st.sets(st.sampled_from(FIELDS), max_size=1))
def test_the_fast_path_answers_as_fastapi(
    asked: Site, changes: dict[str, Any], without: set[str]
) -> None:

    call_id = uuid4().hex
    body = record(asked, call_id=call_id) | changes
    text = json.dumps({k: v for k, v in body.items() if k not in without}).encode()
    short, full = _both_ways(asked.confd, text)
    assert short.status_code == full.status_code
    assert short.content == full.content
    assert short.headers["content-type"] == full.headers["content-type"]


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(BODIES, st.sampled_from(["cdr", "routing"]))
def test_what_is_no_record_is_answered_as_by_fastapi(asked: Site, body: bytes, path: str) -> None:
    short, full = _both_ways(asked.confd, body, path)
    assert (short.status_code, short.content) == (full.status_code, full.content)


def test_both_ways_store_the_same(asked: Site) -> None:

    known = {row["id"] for row in stored(asked)}
    body = record(asked, call_start="2020-01-01T00:00:00+05:00", ipbx_id="3", carrier_trunk_id=4)
    short, full = _both_ways(asked.confd, json.dumps(body).encode())
    assert short.json()["success"] and short.content == full.content
    rows = [row for row in stored(asked) if row["id"] not in known]
    one, two = ({k: v for k, v in row.items() if k != "id"} for row in rows)
    assert one == two
    assert (one["ipbx_id"], one["call_start"]) == (3, "2019-12-31T19:00:00+00:00")


def test_the_disk_of_another_version_is_delivered(pair: Pair) -> None:
    """Times were written with an offset, and what is no record is set aside."""

    site = pair.site()
    key = str(uuid4())
    left = {
        "tenant_uuid": site.uuid, "idempotency_key": key, "source_ip": "10.0.0.1",
        "source_port": 5060, "from_uri": "sip:a@b", "to_uri": "sip:c@d", "call_id": "left",
        "call_start": "2020-09-13T12:26:40+00:00", "duration": None, "ipbx_id": None,
        "carrier_trunk_id": None,
    }  # fmt: skip
    pair.two.stop()
    spool: Path = pair.two.spool
    (spool / f"{key}.json").write_text(json.dumps(left))
    others: list[Any] = [
        {},
        [],
        left | {"call_start": 7},
        left | {"source_port": "x"},
        left | {"event": 1},
    ]
    for bad in others:
        name = uuid4()
        if isinstance(bad, dict) and "event" in bad:
            bad |= {"idempotency_key": str(name), "call_id": "more"}
        (spool / f"{name}.json").write_text(json.dumps(bad))
    pair.two.start()
    eventually(lambda: not list(spool.glob("*.json")), 10)
    assert sorted(row["call_id"] for row in stored(site)) == ["left", "more"]
    rejected = list((spool / "rejected").iterdir())
    assert len(rejected) == 4
    for path in rejected:
        path.unlink()
