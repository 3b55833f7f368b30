"""CDRs, registrations, trusted sources, metrics: what Kamailio and Prometheus fetch or send."""

from __future__ import annotations

from typing import Any

import pytest

from common import cdr
from common.kamailio import UACREG_HEAD
from testbed.router_confd.call_records import record, send, stored
from testbed.router_confd.instance import Instance, Site

pytestmark = pytest.mark.db


def test_cdr_is_stored(site: Site) -> None:
    body = record(site)
    answer = send(site.confd, body)
    expected = body | {
        "source_port": 5060,
        "duration": 60,
        "call_start": "2020-09-13T12:26:40+00:00",
    }
    assert answer.status_code == 200
    assert answer.json() == {"success": True, "cdr": expected}
    (row,) = stored(site)
    assert row == expected | {"id": row["id"]}


def test_cdr_of_the_existing_router_is_stored(site: Site) -> None:
    body = record(site, event="sip-call-end", ipbx_id=1, carrier_trunk_id="2")
    body["tenant_id"] = body.pop("tenant_uuid")
    assert send(site.confd, body).json()["success"] is True
    (row,) = stored(site)
    assert (row["ipbx_id"], row["carrier_trunk_id"]) == (1, 2)


@pytest.mark.parametrize("tenant", [None, "", "x", "5e0f2a0c-7d4b-4e55-9a55-1f3b8a1c9d10"])
def test_cdr_of_an_unknown_tenant(site: Site, tenant: str | None) -> None:
    answer = send(site.confd, record(site, tenant_uuid=tenant))
    assert (answer.status_code, answer.json()) == (200, {"success": False, "cdr": None})
    answer = send(site.confd, record(site, tenant_uuid=tenant, idempotency_key="k"))
    assert answer.json() == {"success": False, "cdr": None, "idempotency_key": "k"}


def test_text_of_a_cdr_has_the_length_that_routers_cut_to(site: Site) -> None:
    for length, status in ((cdr.TEXT_LENGTH, 200), (cdr.TEXT_LENGTH + 1, 422)):
        text = "x" * length
        for field in ("from_uri", "to_uri", "call_id", "idempotency_key"):
            assert send(site.confd, record(site, **{field: text})).status_code == status


@pytest.mark.parametrize("field", ["source_ip", "source_port", "call_id", "from_uri", "to_uri"])
def test_incomplete_cdr_is_422(site: Site, field: str) -> None:
    body = record(site)
    del body[field]
    answer = send(site.confd, body)
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["body", field]


def test_cdr_sent_again_is_stored_once_by_its_key(confd: Instance) -> None:
    one, two = Site(confd), Site(confd)
    for site in (one, one, two):
        answer = send(confd, record(site, idempotency_key="call-1"))
        assert answer.json()["idempotency_key"] == "call-1"
    assert (len(stored(one)), len(stored(two))) == (1, 1)
    for _ in range(2):  # without a key, equal records are two, as ever
        send(confd, record(one, call_id="same"))
    assert len(stored(one)) == 3


# --- registrations ---------------------------------------------------------------------------


def table(confd: Instance) -> tuple[list[str], list[list[str]]]:
    text = confd.kamailio.get("/1.0/kamailio/dbtext/uacreg").json()["content"]
    header, *lines = text.splitlines()
    marked = (line.replace("\\:", "\0").split(":") for line in lines)
    return header.split(" "), [[v.replace("\0", ":") for v in values] for values in marked]


def test_registration_of_a_trunk(site: Site) -> None:
    trunk = site.add_trunk(
        "reg" + site.uuid, "192.0.2.1", registered=True, auth_username="user",
        auth_password="p:a\\ss", realm="realm.example", registrar_proxy="registrar.example",
        from_domain="from.example", expire_seconds=600,
    )  # fmt: skip
    header, rows = table(site.confd)
    assert header == UACREG_HEAD.split(" ") and len(header) == 16
    assert [name.split("(")[0] for name in header[1:]] == [
        "l_uuid", "l_username", "l_domain", "r_username", "r_domain", "realm", "auth_username",
        "auth_password", "auth_ha1", "auth_proxy", "expires", "flags", "reg_delay",
        "contact_addr", "socket",
    ]  # fmt: skip
    (row,) = [row for row in rows if row[1] == str(trunk["id"])]
    assert row[2:] == [
        "user", "from.example", "user", "from.example", "realm.example", "user", "p:a\\\\ss", "",
        "sip:registrar.example", "600", "16", "0", "", "",
    ]  # fmt: skip
    assert [row[0] for row in rows] == [str(i) for i in range(1, len(rows) + 1)]


def test_incomplete_or_unregistered_trunk_is_left_out(site: Site) -> None:
    known = len(table(site.confd)[1])
    site.add_trunk("a" + site.uuid, "192.0.2.1", registered=True)
    site.add_trunk("b" + site.uuid, "192.0.2.1", auth_username="u", auth_password="p",
                   registrar_proxy="r", from_domain="f")  # fmt: skip
    assert len(table(site.confd)[1]) == known


# --- sources and metrics ---------------------------------------------------------------------


def test_sources_follow_the_configuration(site: Site) -> None:
    def own() -> list[Any]:
        everything = site.confd.kamailio.get("/1.0/kamailio/sources").json()["sources"]
        return [source for source in everything if source["tenant_uuid"] == site.uuid]

    common = {"tenant_uuid": site.uuid, "max_calls": None, "max_cps": None}
    trunk = common | {
        "address": site.trunk_address,
        "kind": "carrier_trunk",
        "carrier_trunk_id": site.trunk["id"],
        "ipbx_id": None,
    }
    pbx = common | {
        "address": site.pbx_address,
        "kind": "ipbx",
        "carrier_trunk_id": None,
        "ipbx_id": site.ipbx["id"],
    }
    assert own() == [trunk, pbx]
    site.client.patch(f"/1.0/carrier_trunks/{site.trunk['id']}", json={"max_calls": 30})
    site.client.patch(f"/1.0/ipbxs/{site.ipbx['id']}", json={"ip_address": None})
    assert own() == [trunk | {"max_calls": 30}]


def test_metrics(site: Site) -> None:
    def value(name: str) -> float:
        text = site.confd.kamailio.get("/metrics").text
        (line,) = [line for line in text.splitlines() if line.startswith(name + " ")]
        return float(line.split()[1])

    routed = 'router_confd_routing_total{outcome="routed"}'
    site.confd.route(to_uri=f"sip:x@{site.domain_text}")
    before = value(routed)
    site.confd.route(to_uri=f"sip:x@{site.domain_text}")
    assert value(routed) == before + 1
    assert value("router_confd_database_connected") == 1
    assert value("router_confd_directory_age_seconds") < 5
    assert value("router_confd_carrier_trunks") >= 1
    assert value("router_confd_cdrs_waiting") == 0
