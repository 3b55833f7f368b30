"""A user of one tenant tries to reach another's rows, by every way there is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest

from testbed.router_confd.instance import API_KEY, Instance, Site
from testbed.router_confd.postgres import Postgres
from testbed.router_confd.samples import DISTINCT, SAMPLES, Sample
from testbed.router_confd.wazo_auth import WazoAuth

pytestmark = pytest.mark.db
each_resource = pytest.mark.parametrize("sample", DISTINCT, ids=str)


@pytest.fixture(scope="module")
def wazo_auth() -> Iterator[WazoAuth]:
    with WazoAuth() as server:
        yield server


@pytest.fixture(scope="module")
def portal(
    postgres: Postgres, database: str, instances: Callable[..., Instance], wazo_auth: WazoAuth
) -> Instance:
    """An instance that asks wazo-auth."""
    started: Instance = instances(
        postgres, database, C4_ROUTER_CONFD_WAZO_AUTH_URL=wazo_auth.url
    ).start()
    return started


@pytest.fixture
def mine(portal: Instance, wazo_auth: WazoAuth) -> Site:
    site = Site(portal)
    site.client = portal.user({"X-Auth-Token": wazo_auth.token(site.uuid)})
    return site


@pytest.fixture
def foreign(portal: Instance) -> Site:
    return Site(portal)


def created(site: Site, sample: Sample) -> Any:
    answer = site.confd.api.post(f"/1.0/{sample.path}", json=sample.create(site))
    assert answer.status_code == 200, answer.text
    return answer.json()


@each_resource
def test_own_rows_are_there(mine: Site, sample: Sample) -> None:
    row = created(mine, sample) if sample.key == "id" else mine.tenant
    url = f"/1.0/{sample.path}"
    assert mine.client.get(f"{url}/{row[sample.key]}").json() == row
    assert row in mine.client.get(url).json()["items"]


@each_resource
def test_foreign_rows_look_as_if_they_did_not_exist(
    mine: Site, foreign: Site, sample: Sample
) -> None:
    row = created(foreign, sample)
    url = f"/1.0/{sample.path}"
    item = f"{url}/{row[sample.key]}"
    body = sample.create(mine)
    for answer in (
        mine.client.get(item),
        mine.client.put(item, json=body),
        mine.client.patch(item, json={}),
        mine.client.delete(item),
    ):
        assert answer.status_code == 404, answer.text
        assert answer.json() == {"detail": f"{sample.name} not found"}
    keys = [i[sample.key] for i in mine.client.get(url, params={"limit": 10_000}).json()["items"]]
    assert row[sample.key] not in keys
    assert mine.confd.api.get(item).json() == row  # untouched


@each_resource
def test_nothing_can_be_created_in_a_foreign_tenant(
    mine: Site, foreign: Site, sample: Sample
) -> None:
    body = sample.create(foreign)
    answer = mine.client.post(f"/1.0/{sample.path}", json=body)
    if sample.path in ("normalization-rules", "routing-rules"):
        assert (answer.status_code, answer.json()) == (200, None)  # as if its owner were unknown
    else:
        uuid = body.get("tenant_uuid", body.get("uuid"))
        assert answer.status_code == 403
        assert answer.json() == {"detail": f"Token not valid for tenant_uuid {uuid}"}


@pytest.mark.parametrize("sample", [s for s in DISTINCT if s.key == "id"], ids=str)
def test_nothing_can_be_moved_to_a_foreign_tenant(
    mine: Site, foreign: Site, sample: Sample
) -> None:
    row = created(mine, sample)
    url = f"/1.0/{sample.path}/{row['id']}"
    update = sample.update(mine) or sample.create(mine)
    moved = mine.client.put(url, json=update | {"tenant_uuid": foreign.uuid})
    patched = mine.client.patch(url, json={"tenant_uuid": foreign.uuid})
    mine.client.delete(url)
    assert mine.confd.api.get(url).status_code == 404  # it had stayed ours, so we could delete it
    if "tenant_uuid" in row and sample.path != "carrier_trunks":
        assert (moved.status_code, patched.status_code) == (403, 403)


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("ipbxs", "domain_id"),
        ("ipbxs", "normalization_profile_id"),
        ("carrier_trunks", "carrier_id"),
        ("carrier_trunks", "normalization_profile_id"),
        ("dids", "ipbx_id"),
        ("dids", "carrier_trunk_id"),
        ("normalization-rules", "profile_id"),
        ("routing-rules", "carrier_trunk_id"),
        ("routing-rules", "ipbx_id"),
        ("routing-groups", "routing_rule_id"),
    ],
)
def test_foreign_rows_cannot_be_referred_to(
    mine: Site, foreign: Site, path: str, field: str
) -> None:
    sample = next(s for s in SAMPLES if s.path == path)
    theirs = sample.create(foreign)[field]
    new = mine.client.post(f"/1.0/{path}", json=sample.create(mine) | {field: theirs})
    assert new.status_code == 422 or new.json() is None, new.text
    row = created(mine, sample)
    if field != "carrier_id":
        changed = mine.client.patch(f"/1.0/{path}/{row['id']}", json={field: theirs})
        assert changed.status_code == 422, changed.text
    assert mine.confd.api.get(f"/1.0/{path}/{row['id']}").json() == row


def test_names_of_other_tenants_are_not_given_away(mine: Site, foreign: Site) -> None:
    """A duplicate of another tenant's name is none: its existence stays unknown."""
    for path in ("domains", "carriers", "carrier_trunks", "dids", "normalization-profiles"):
        sample = next(s for s in DISTINCT if s.path == path)
        theirs = created(foreign, sample)
        same = {k: theirs[k] for k in ("domain", "name", "did_regex") if k in theirs}
        answer = mine.client.post(f"/1.0/{path}", json=sample.create(mine) | same)
        assert answer.status_code == 200, answer.text


def test_tenant_uuid_may_be_left_out(mine: Site) -> None:
    row = mine.client.post("/1.0/carriers", json={"name": mine.uuid}).json()
    assert row["tenant_uuid"] == mine.uuid


def test_wazo_tenant_selects_one_of_the_users_tenants(
    portal: Instance, wazo_auth: WazoAuth, mine: Site, foreign: Site
) -> None:
    token = wazo_auth.token(mine.uuid, foreign.uuid)
    both = portal.user({"X-Auth-Token": token})
    one = portal.user({"X-Auth-Token": token, "Wazo-Tenant": foreign.uuid})
    assert both.get(f"/1.0/domains/{foreign.domain['id']}").status_code == 200
    assert both.get("/1.0/domains").json()["items"] == [mine.domain]  # lists: the token's own
    assert one.get("/1.0/domains").json()["items"] == [foreign.domain]
    assert one.get(f"/1.0/domains/{mine.domain['id']}").status_code == 404
    stranger = portal.user({"X-Auth-Token": token, "Wazo-Tenant": str(uuid4())})
    assert stranger.get("/1.0/domains").status_code == 401
    nonsense = portal.user({"X-Auth-Token": token, "Wazo-Tenant": "x' OR 1=1"})
    assert nonsense.get("/1.0/domains").status_code == 401


# --- authentication --------------------------------------------------------------------------


def test_without_token(portal: Instance) -> None:
    for path in ("/1.0/tenants", "/1.0/unknown", "/", "/metrics", "/1.0/kamailio/routing"):
        answer = portal.user({}).get(path)
        assert (answer.status_code, answer.text) == (401, "Missing X-Auth-Token header")


@pytest.mark.parametrize("token", ["unknown", "../tenants", "a/b", "%2e%2e", "x?y", "", "ü"])
def test_bad_token(portal: Instance, token: str) -> None:
    answer = portal.user({}).get("/1.0/tenants", headers={b"X-Auth-Token": token.encode()})
    assert answer.status_code == 401
    assert answer.text in ("The provided token is not valid", "Missing X-Auth-Token header")


def test_api_key(portal: Instance, confd: Instance) -> None:
    for instance in (portal, confd):
        assert instance.user({"X-API-Key": API_KEY}).get("/1.0/tenants").status_code == 200
        for wrong in ("", "x", API_KEY[:-1], API_KEY + "x"):
            answer = instance.user({"X-API-Key": wrong}).get("/1.0/tenants")
            assert (answer.status_code, answer.text) == (401, "The provided API key is not valid")
    assert confd.user({"X-Auth-Token": "any"}).get("/1.0/tenants").status_code == 401


def test_nothing_is_parsed_for_strangers(portal: Instance) -> None:
    assert portal.user({}).post("/1.0/tenants", content=b"{").status_code == 401


def test_public_paths(portal: Instance) -> None:
    stranger = portal.user({})
    assert stranger.get("/status").status_code == 204
    assert stranger.get("/api/v1/openapi.json").status_code == 200


def test_kamailio_paths_are_only_on_the_internal_listener(confd: Instance) -> None:
    assert confd.api.post("/1.0/kamailio/routing", json={}).status_code == 404
    assert confd.api.get("/1.0/kamailio/dbtext/uacreg").status_code == 404
    assert confd.kamailio.get("/1.0/tenants").status_code == 404


def test_cors_allows_portals(portal: Instance) -> None:
    preflight = portal.user({}).options(
        "/1.0/tenants",
        headers={
            "Origin": "https://portal.example.com",
            "Access-Control-Request-Method": "PUT",
            "Access-Control-Request-Headers": "X-Auth-Token",
        },
    )
    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-origin"] == "https://portal.example.com"


def test_wazo_auth_out_of_reach_is_503(
    postgres: Postgres, database: str, instances: Callable[..., Instance]
) -> None:
    with WazoAuth() as server:
        url = server.url
    alone = instances(postgres, database, C4_ROUTER_CONFD_WAZO_AUTH_URL=url).start()
    answer = alone.user({"X-Auth-Token": "token"}).get("/1.0/tenants")
    assert answer.status_code == 503
    assert alone.api.get("/1.0/tenants").status_code == 200  # the operator is independent of it
    alone.stop()


def test_revoked_token_ends_within_seconds(
    portal: Instance, wazo_auth: WazoAuth, mine: Site
) -> None:
    token = wazo_auth.token(mine.uuid)
    client: httpx.Client = portal.user({"X-Auth-Token": token})
    asked = wazo_auth.questions
    for _ in range(5):
        assert client.get("/1.0/domains").status_code == 200
    assert wazo_auth.questions == asked + 2  # remembered: not asked for each request
