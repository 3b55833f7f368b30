"""Create, read, list, update, delete: the same rules for every resource."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest

from testbed.router_confd.instance import Instance, Site
from testbed.router_confd.samples import DISTINCT, SAMPLES, Sample

pytestmark = pytest.mark.db
all_samples = pytest.mark.parametrize("sample", SAMPLES, ids=str)
each_resource = pytest.mark.parametrize("sample", DISTINCT, ids=str)


def visible(sample: Sample, body: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in body.items() if k not in (*sample.secret, *sample.hidden)}


def created(site: Site, sample: Sample) -> tuple[dict[str, Any], dict[str, Any]]:
    """A new object: what was sent, what came back."""
    body = sample.create(site)
    answer = site.client.post(f"/1.0/{sample.path}", json=body)
    assert answer.status_code == 200, answer.text
    return body, answer.json()


@all_samples
def test_life_of_an_object(site: Site, sample: Sample) -> None:
    body, new = created(site, sample)
    expected = visible(sample, body) | sample.defaults
    if sample.key == "id":
        assert isinstance(new["id"], int)
        expected["id"] = new["id"]
    assert new == expected

    url = f"/1.0/{sample.path}/{new[sample.key]}"
    read = site.client.get(url)
    assert (read.status_code, read.json()) == (200, new)

    update = sample.update(site) or visible(sample, body)
    put = site.client.put(url, json=update)
    expected |= visible(sample, update)
    assert (put.status_code, put.json()) == (200, expected)
    assert site.client.get(url).json() == expected

    deleted = site.client.delete(url)
    assert (deleted.status_code, deleted.json()) == (200, expected)
    assert site.client.get(url).status_code == 404


@all_samples
def test_no_answer_holds_a_secret(site: Site, sample: Sample) -> None:
    body, new = created(site, sample)
    url = f"/1.0/{sample.path}"
    item = f"{url}/{new[sample.key]}"
    update = sample.update(site) or visible(sample, body)
    answers = [
        site.client.get(item),
        site.client.get(url, params={"limit": 1000}),
        site.client.put(item, json=update),
        site.client.put(item, json=update | {"port": [], "sip_proxy_port": []}),
        site.client.post(url, json=body),
        site.client.patch(item, json={}),
        site.client.delete(item),
    ]
    for field in sample.secret:
        for text in (answer.text for answer in answers):
            assert body[field] not in text
            assert f'"{field}"' not in text


@each_resource
def test_unknown_is_404(confd: Instance, site: Site, sample: Sample) -> None:
    unknown = str(uuid4()) if sample.key == "uuid" else 2_000_000_000
    url = f"/1.0/{sample.path}/{unknown}"
    body = sample.create(site)
    for answer in (
        confd.api.get(url),
        confd.api.put(url, json=body),
        confd.api.patch(url, json={}),
        confd.api.delete(url),
    ):
        assert answer.status_code == 404
        assert answer.json() == {"detail": f"{sample.name} not found"}


@each_resource
def test_validation_errors_have_the_old_form(confd: Instance, sample: Sample) -> None:
    url = f"/1.0/{sample.path}"
    bad_path = confd.api.get(f"{url}/no-key")
    bad_json = confd.api.post(url, content=b"{", headers={"Content-Type": "application/json"})
    bad_list = confd.api.get(url, params={"offset": -1})
    for answer in (bad_path, bad_json, bad_list):
        assert answer.status_code == 422
        assert all(set(item) == {"loc", "msg", "type"} for item in answer.json()["detail"])
    if sample.path != "routing-groups":  # nothing is required there but a tenant
        empty = confd.api.post(url, json={})
        assert empty.status_code == 422
        item = empty.json()["detail"][0]
        assert item["loc"][0] == "body"
        assert (item["msg"], item["type"]) == ("field required", "value_error.missing")


@each_resource
def test_unknown_fields_are_ignored_and_numbers_may_be_text(site: Site, sample: Sample) -> None:
    body = sample.create(site)
    as_text = {
        k: str(v) if isinstance(v, int) and not isinstance(v, bool) else v for k, v in body.items()
    }
    answer = site.client.post(f"/1.0/{sample.path}", json=as_text | {"surprise": {"x": 1}})
    assert answer.status_code == 200, answer.text
    for name, value in visible(sample, body).items():
        assert answer.json()[name] == value


@each_resource
def test_list_is_paged(site: Site, sample: Sample) -> None:
    keys = [created(site, sample)[1][sample.key] for _ in range(3)]
    everything: list[Any] = []
    while page := site.client.get(
        f"/1.0/{sample.path}", params={"offset": len(everything), "limit": 50}
    ).json()["items"]:
        assert len(page) <= 50
        everything += page
    listed = [item[sample.key] for item in everything]
    assert listed == sorted(listed) and set(keys) <= set(listed)
    assert set(site.client.get(f"/1.0/{sample.path}").json()) == {"items"}
    assert len(site.client.get(f"/1.0/{sample.path}?limit=2").json()["items"]) == 2


@all_samples
def test_update_with_nulls_keeps_everything(site: Site, sample: Sample) -> None:
    body, new = created(site, sample)
    update = dict.fromkeys(body) | {
        k: v for k, v in body.items() if k in (sample.update(site) or body)
    }
    for secret in sample.secret:
        update.pop(secret, None)
    answer = site.client.put(f"/1.0/{sample.path}/{new[sample.key]}", json=update)
    assert answer.status_code == 200, answer.text
    assert answer.json() == new


@pytest.mark.parametrize("sample", [s for s in SAMPLES if s.clears], ids=str)
def test_patch_clears_and_keeps(site: Site, sample: Sample) -> None:
    _, new = created(site, sample)
    url = f"/1.0/{sample.path}/{new[sample.key]}"
    assert site.client.patch(url, json={}).json() == new
    cleared = site.client.patch(url, json={sample.clears: None})
    assert cleared.status_code == 200, cleared.text
    assert cleared.json() == new | {sample.clears: None}


def test_patch_refuses_null_where_a_value_is_needed(site: Site) -> None:
    for path, row, field in (
        ("ipbxs", site.ipbx, "port"),
        ("ipbxs", site.ipbx, "ip_fqdn"),
        ("carrier_trunks", site.trunk, "expire_seconds"),
        ("domains", site.domain, "tenant_uuid"),
    ):
        answer = site.client.patch(f"/1.0/{path}/{row['id']}", json={field: None})
        assert answer.status_code == 422, answer.text
        assert answer.json()["detail"][0]["loc"] == ["body", field]


# --- what an update must not reset ------------------------------------------------------


def test_omitted_fields_are_not_reset(site: Site) -> None:
    trunk = site.add_trunk("q3" + site.uuid, "192.0.2.9", sip_proxy_port=5080, registered=True,
                           expire_seconds=60, retry_seconds=5)  # fmt: skip
    put = site.put("carrier_trunks", trunk["id"], name="q3b" + site.uuid, sip_proxy="192.0.2.9")
    assert put == trunk | {"name": "q3b" + site.uuid}
    pbx = site.post("ipbxs", domain_id=site.domain["id"], ip_fqdn="h", port=5099, registered=True,
                    username="q3")  # fmt: skip
    assert site.put("ipbxs", pbx["id"], domain_id=site.domain["id"], ip_fqdn="h") == pbx


def test_cdr_update_keeps_on_zero_and_empty(site: Site) -> None:
    body = {"source_ip": "10.0.0.1", "source_port": 5060, "from_uri": "sip:a@b",
            "to_uri": "sip:c@d", "call_id": "x", "duration": 60}  # fmt: skip
    cdr = site.post("cdrs", **body)
    assert site.put("cdrs", cdr["id"], **body | {"duration": 0, "call_id": ""}) == cdr


# --- tenants ---------------------------------------------------------------------------------


def test_tenant_uuid_is_needed_from_the_operator(confd: Instance) -> None:
    for path in ("domains", "carriers", "normalization-profiles", "routing-groups"):
        answer = confd.api.post(f"/1.0/{path}", json={"domain": "x", "name": "x"})
        assert answer.status_code == 400
        assert answer.json()["detail"] == (
            '{"detail": [{"loc": ["body", "tenant_uuid"], "msg": "field required", '
            '"type": "value_error.missing"}]}'
        )


def test_tenant_is_created_on_the_fly(confd: Instance) -> None:
    uuid = str(uuid4())
    confd.post("carriers", name="fly" + uuid, tenant_uuid=uuid)
    assert confd.api.get(f"/1.0/tenants/{uuid}").json() == {"name": uuid, "uuid": uuid}


def test_deleting_a_tenant_deletes_all_that_is_its(site: Site) -> None:
    urls = [
        f"/1.0/{sample.path}/{created(site, sample)[1]['id']}"
        for sample in DISTINCT
        if sample.key == "id"
    ]
    assert site.client.delete(f"/1.0/tenants/{site.uuid}").status_code == 200
    assert {site.client.get(url).status_code for url in urls} == {404}
    assert site.confd.auth(source_ip=site.trunk_address)["success"] is False
    assert site.confd.route(to_uri=f"sip:x@{site.domain_text}")["rtjson"] == {"success": False}


def test_deleting_a_profile_keeps_its_users(site: Site) -> None:
    profile = site.post("normalization-profiles", name=site.uuid)
    trunk = site.add_trunk("p" + site.uuid, "h", normalization_profile_id=profile["id"])
    site.client.delete(f"/1.0/normalization-profiles/{profile['id']}")
    kept = site.client.get(f"/1.0/carrier_trunks/{trunk['id']}").json()
    assert kept == trunk | {"normalization_profile_id": None}


@pytest.mark.parametrize(
    "uuid", ["", "x", "00000000-0000-1000-8000-000000000000", "../tenants", 7, None]
)
def test_uuid_must_be_version_4(confd: Instance, uuid: Any) -> None:
    answer = confd.api.post("/1.0/tenants", json={"name": "x", "uuid": uuid})
    assert answer.status_code == 422


# --- duplicates and references ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "field", "label"),
    [
        ("tenants", "name", "name"),
        ("domains", "domain", "name"),
        ("carriers", "name", "name"),
        ("carrier_trunks", "name", "name"),
        ("dids", "did_regex", "did_regex"),
        ("normalization-profiles", "name", "match_regex"),
        ("normalization-rules", "match_regex", "match_regex"),
    ],
)
def test_duplicate_is_409(confd: Instance, site: Site, path: str, field: str, label: str) -> None:
    sample = next(s for s in DISTINCT if s.path == path)
    body, _ = created(site, sample)
    again = sample.create(Site(confd)) | {field: body[field]}  # of another tenant, even
    answer = confd.api.post(f"/1.0/{path}", json=again)
    assert answer.status_code == 409, answer.text
    detail = answer.json()["detail"]
    assert isinstance(detail.pop("timestamp"), float)
    message = f"Duplicated {label}"
    assert detail == {
        "error_id": "invalid-data",
        "message": message,
        "resource": sample.name,
        "details": {
            "config": {
                label: {
                    "constraing_id": label,
                    "constraint": {"unique": True},
                    "message": message,
                }
            }
        },
    }


def test_duplicates_that_only_the_database_sees_are_409_too(confd: Instance, site: Site) -> None:
    body = {"tenant_uuid": site.uuid, "domain_id": site.domain["id"], "ip_fqdn": "h"}
    site.post("ipbxs", **body, username="twice")
    answer = confd.api.post("/1.0/ipbxs", json=body | {"username": "twice"})
    assert (answer.status_code, answer.json()["detail"]["message"]) == (409, "Duplicated username")
    tenant = confd.api.post("/1.0/tenants", json={"name": "again" + site.uuid, "uuid": site.uuid})
    assert (tenant.status_code, tenant.json()["detail"]["message"]) == (409, "Duplicated uuid")
    one, two = (site.post("carriers", name=f"{i}{site.uuid}") for i in "ab")
    renamed = confd.api.put(f"/1.0/carriers/{two['id']}", json={"name": one["name"]})
    assert renamed.status_code == 409


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("ipbxs", "domain_id"),
        ("ipbxs", "normalization_profile_id"),
        ("carrier_trunks", "carrier_id"),
        ("carrier_trunks", "normalization_profile_id"),
        ("dids", "ipbx_id"),
        ("dids", "carrier_trunk_id"),
        ("routing-rules", "ipbx_id"),
        ("routing-groups", "routing_rule_id"),
    ],
)
def test_reference_must_exist_in_the_tenant(
    confd: Instance, site: Site, path: str, field: str
) -> None:
    sample = next(s for s in SAMPLES if s.path == path)
    foreign = sample.create(Site(confd))[field]
    _, own = created(site, sample)
    for wrong in (foreign, 2_000_000_000):
        new = confd.api.post(f"/1.0/{path}", json=sample.create(site) | {field: wrong})
        changed = confd.api.patch(f"/1.0/{path}/{own['id']}", json={field: wrong})
        if field == "carrier_id":  # a trunk stays with its carrier, whatever an update says
            assert changed.json() == own
            changed = new
        for answer in (new, changed):
            assert answer.status_code == 422, answer.text
            assert answer.json()["detail"][0]["loc"] == ["body", field]


@pytest.mark.parametrize(
    ("path", "field"),
    [("normalization-rules", "profile_id"), ("routing-rules", "carrier_trunk_id")],
)
def test_rule_of_an_unknown_owner_is_null(
    confd: Instance, site: Site, path: str, field: str
) -> None:
    sample = next(s for s in SAMPLES if s.path == path)
    answer = confd.api.post(f"/1.0/{path}", json=sample.create(site) | {field: 2_000_000_000})
    assert (answer.status_code, answer.json()) == (200, None)
    _, own = created(site, sample)
    changed = confd.api.patch(f"/1.0/{path}/{own['id']}", json={field: 2_000_000_000})
    assert changed.status_code == 422


# --- hostile and broken values ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "field", "value"),
    [
        ("carriers", "name", "x" * 257),
        ("carriers", "name", "a\x00b"),
        ("carriers", "name", "a\r\nX-Header: y"),
        ("carriers", "name", "\ud800"),
        ("domains", "domain", "x" * 65),
        ("domains", "domain", "a b"),
        ("ipbxs", "ip_fqdn", "evil.example.com;transport=tls"),
        ("ipbxs", "ip_fqdn", "sip:evil.example.com"),
        ("ipbxs", "ip_fqdn", "user@evil.example.com"),
        ("ipbxs", "port", 0),
        ("ipbxs", "port", 65536),
        ("ipbxs", "username", "x" * 51),
        ("ipbxs", "password", "x" * 193),
        ("ipbxs", "customer", 2**31),
        ("carrier_trunks", "sip_proxy", "x" * 129),
        ("carrier_trunks", "sip_proxy", ""),
        ("carrier_trunks", "registrar_proxy", "a b"),
        ("carrier_trunks", "registrar_proxy", "a>,<sip:evil"),
        ("carrier_trunks", "carrier_id", 2**31),
        ("carrier_trunks", "max_calls", 0),
        ("carrier_trunks", "transport", "sctp"),
        ("ipbxs", "transport", "TLS"),
        ("tenants", "max_calls", 0),
        ("tenants", "max_calls", 1_000_001),
        ("tenants", "max_cps", "many"),
        ("dids", "did_regex", "("),
        ("dids", "did_regex", "(?=look)ahead"),
        ("dids", "did_regex", r"(1)\1"),
        ("dids", "did_regex", "((a{1000}){1000})"),
        ("normalization-rules", "match_regex", "["),
        ("normalization-rules", "replace_regex", r"\7"),
        ("routing-rules", "route_type", "x" * 11),
        ("routing-rules", "did_regex", "*"),
        ("cdrs", "call_start", "yesterday"),
        ("cdrs", "source_port", 2**40),
    ],
)
def test_bad_value_is_422_and_names_the_field(
    site: Site, path: str, field: str, value: Any
) -> None:
    import json

    sample = next(s for s in SAMPLES if s.path == path)
    body = json.dumps(sample.create(site) | {field: value})  # ASCII: lone surrogates stay escaped
    answer = site.client.post(
        f"/1.0/{path}", content=body, headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 422, answer.text
    assert field in [item["loc"][-1] for item in answer.json()["detail"]]


def test_evil_regex_does_not_hang(site: Site) -> None:
    site.add_did("^(1+)+(1|11)*$")
    site.add_did("^(1|1?){30}2$")
    dialled = "1" * 60 + "x"
    answer = site.confd.kamailio.post(
        "/1.0/kamailio/routing",
        json={"from_uri": "sip:1@a", "to_uri": f"sip:{dialled}@b"},
        timeout=30,  # it would take for ever
    )
    assert answer.status_code == 200


def test_a_body_that_is_too_large_is_413(confd: Instance) -> None:
    for client, path in ((confd.api, "/1.0/carriers"), (confd.kamailio, "/1.0/kamailio/routing")):
        assert client.post(path, content=b"x" * 70_000).status_code == 413


def test_epoch_times_are_accepted(site: Site) -> None:
    body = {"source_ip": "10.0.0.1", "source_port": 5060, "from_uri": "sip:a@b",
            "to_uri": "sip:c@d", "call_id": "x"}  # fmt: skip
    for value in (1_600_000_000, "1600000000", "2020-09-13T12:26:40Z", "2020-09-13T12:26:40"):
        cdr = site.post("cdrs", **body, call_start=value)
        assert cdr["call_start"] == "2020-09-13T12:26:40+00:00"


def test_opt_in_fields_show_only_when_set(site: Site) -> None:
    assert "max_calls" not in site.trunk
    row = site.put("ipbxs", site.ipbx["id"], domain_id=site.domain["id"],
                   ip_fqdn=site.pbx_address, max_calls=30)  # fmt: skip
    assert row["max_calls"] == 30 and "max_cps" not in row


def test_secrets_are_not_readable_in_the_database(site: Site, postgres: Any, database: str) -> None:
    site.add_trunk("sec" + site.uuid, "h", auth_username="u", auth_password="clear-text-trunk")
    site.put("ipbxs", site.ipbx["id"], domain_id=site.domain["id"], ip_fqdn=site.pbx_address,
             username="u", password="clear-text-pbx", realm="r")  # fmt: skip
    sealed = postgres.sql(
        f"SELECT auth_password FROM carrier_trunks WHERE tenant_uuid = '{UUID(site.uuid)}'"
        " AND auth_password IS NOT NULL",
        database,
    )
    assert sealed.startswith("v1:") and "clear" not in sealed
    password, ha1, realm_ha1 = postgres.sql(
        f"SELECT password, password_ha1, realm_ha1 FROM ipbx WHERE id = {site.ipbx['id']}", database
    ).split("|")
    assert len(password) == 64 + 128 and ha1.startswith("v1:") and realm_ha1.startswith("v1:")
