"""Many call records in one request: each has the answer that it would have had alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from testbed.router_confd.call_records import record, stored
from testbed.router_confd.instance import Instance, Site, eventually
from testbed.router_confd.pair import Pair
from testbed.router_confd.postgres import Postgres

pytestmark = pytest.mark.db
PATH = "/1.0/kamailio/cdrs"


def send_all(confd: Instance, bodies: Any, **headers: str) -> Any:
    answer = confd.kamailio.post(PATH, content=json.dumps(bodies), headers=headers)
    assert answer.status_code == 200, answer.text
    return {kept["idempotency_key"]: kept["success"] for kept in answer.json()}


# An unusual header makes the request go to FastAPI.
@pytest.mark.parametrize("more", [{}, {"X-Longer": "way"}], ids=["fast path", "FastAPI"])
def test_each_record_of_a_list_is_kept_or_refused(confd: Instance, more: dict[str, str]) -> None:
    site, other = Site(confd), Site(confd)
    headers = {"Content-Type": "application/json"} | more
    assert confd.kamailio.post(PATH, content="[]", headers=headers).json() == []
    bodies = [
        record(site, idempotency_key="a"),
        record(site, idempotency_key="no-tenant", tenant_uuid=str(uuid4())),
        record(site, idempotency_key="too-long", from_uri="sip:" + "x" * 300),
        record(site, idempotency_key="no-source", source_ip=None),
        record(site),  # nobody could be told of it alone
        record(other, idempotency_key="b"),
        record(site, idempotency_key="a"),
        record(site, idempotency_key={"no": "text"}),
    ]
    answer = confd.kamailio.post(PATH, content=json.dumps(bodies), headers=headers)
    assert answer.status_code == 200
    kept = [(item["idempotency_key"], item["success"]) for item in answer.json()]
    assert sorted(kept, key=str) == sorted(
        [("a", True), ("no-tenant", False), ("too-long", False), ("no-source", False),
         (None, True), ("b", True), ("a", True), (None, False)], key=str,
    )  # fmt: skip
    assert (len(stored(site)), len(stored(other))) == (2, 1)


@pytest.mark.parametrize("body", ["{}", "[1]", "[[]]", '["x"]', "null", "[", "\xff"])
def test_what_is_no_list_of_records_is_422(confd: Instance, body: str) -> None:
    headers = {"Content-Type": "application/json"}
    answer = confd.kamailio.post(PATH, content=body.encode("latin-1"), headers=headers)
    assert answer.status_code == 422 or (body == "\xff" and answer.status_code == 400)


def test_what_is_safe_nowhere_is_left_out(
    postgres_factory: Callable[[], Postgres], instances: Callable[..., Instance]
) -> None:
    """The database hangs, and the disk takes two; the others have to come again."""
    server = postgres_factory()
    server.start()

    def small(*arguments: Any) -> Instance:
        return instances(*arguments, C4_ROUTER_CONFD_SPOOL_LIMIT="2")

    pair = Pair(server, small)
    site = pair.site()
    bodies = [record(site, idempotency_key=f"k{i}", call_id=f"c{i}") for i in range(5)]
    with pair.locked():
        kept = send_all(pair.one, bodies, **{"Content-Type": "application/json"})
        assert len(kept) == 2
        assert all(kept.values())
    eventually(lambda: not list(pair.one.spool.glob("*.json")), 20)
    assert send_all(pair.one, bodies, **{"Content-Type": "application/json"}) == {
        f"k{i}": True for i in range(5)
    }
    assert sorted(row["call_id"] for row in stored(site)) == [f"c{i}" for i in range(5)]
