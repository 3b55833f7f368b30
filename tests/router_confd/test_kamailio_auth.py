"""Who may call."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from testbed.router_confd.instance import Instance, Site

pytestmark = pytest.mark.db

KEYS = {
    "success",
    "tenant_uuid",
    "carrier_trunk_id",
    "ipbx_id",
    "domain",
    "username",
    "password_ha1",
}
REFUSED = dict.fromkeys(KEYS) | {"success": False}


def change(site: Site, **values: Any) -> None:
    answer = site.client.patch(f"/1.0/ipbxs/{site.ipbx['id']}", json=values)
    assert answer.status_code == 200, answer.text


def digest(*parts: str) -> str:
    return hashlib.md5(":".join(parts).encode(), usedforsecurity=False).hexdigest()


def test_nothing_known_is_refused(confd: Instance) -> None:
    assert confd.auth() == REFUSED
    assert confd.auth(domain="x.example.com", password="y") == REFUSED
    assert confd.auth(source_ip="203.0.113.200", username="nobody") == REFUSED
    assert confd.auth(source_ip="", username="", source_port="") == REFUSED


def test_pbx_by_address(site: Site) -> None:
    expected = REFUSED | {
        "success": True,
        "tenant_uuid": site.uuid,
        "ipbx_id": site.ipbx["id"],
        "domain": site.domain_text,
    }
    assert site.confd.auth(source_ip=site.pbx_address) == expected
    assert site.confd.auth(source_ip=site.pbx_address, domain=site.domain_text) == expected
    # A PBX without credentials is known by its address, whatever user it names.
    assert site.confd.auth(source_ip=site.pbx_address, username="any") == expected


def test_pbx_of_another_domain_is_refused(site: Site) -> None:
    assert site.confd.auth(source_ip=site.pbx_address, domain="other.example.com") == REFUSED
    upper = site.domain_text.upper()
    assert site.confd.auth(source_ip=site.pbx_address, domain=upper) == REFUSED


def test_pbx_by_username_from_anywhere_needs_its_password(site: Site) -> None:
    name = "u" + site.uuid[:8]
    change(site, ip_address=None, username=name)
    assert site.confd.auth(source_ip="203.0.113.7", username=name) == REFUSED  # nothing to check
    change(site, password="word")
    reply = site.confd.auth(source_ip="203.0.113.7", username=name, domain=site.domain_text)
    assert reply["success"] is True
    assert reply["password_ha1"] == digest(name, site.domain_text, "word")
    assert site.confd.auth(source_ip="203.0.113.7") == REFUSED
    assert site.confd.auth(username=name)["success"] is True


def test_address_and_username_must_both_fit(site: Site) -> None:
    name = "u" + site.uuid[:8]
    change(site, username=name, password="word")
    assert site.confd.auth(source_ip=site.pbx_address, username=name)["password_ha1"]
    assert site.confd.auth(source_ip=site.pbx_address, username="other") == REFUSED
    assert site.confd.auth(source_ip="203.0.113.7", username=name) == REFUSED
    # Without a user name the address is enough to be asked for the digest.
    assert site.confd.auth(source_ip=site.pbx_address)["password_ha1"]


def test_password_in_the_request_is_verified(site: Site) -> None:
    name = "u" + site.uuid[:8]
    change(site, username=name, password="word")
    good = site.confd.auth(source_ip=site.pbx_address, username=name, password="word")
    bad = site.confd.auth(source_ip=site.pbx_address, username=name, password="other")
    again = site.confd.auth(source_ip=site.pbx_address, username=name, password="word")
    assert (good["success"], bad, again["success"]) == (True, REFUSED, True)


def test_password_without_username_is_verified(site: Site) -> None:
    change(site, password="word")
    assert site.confd.auth(source_ip=site.pbx_address, password="word")["success"] is True
    assert site.confd.auth(source_ip=site.pbx_address, password="other") == REFUSED


def test_lowest_pbx_wins_then_trunk(site: Site) -> None:
    second = site.post(
        "ipbxs", domain_id=site.domain["id"], ip_fqdn="x", ip_address=site.pbx_address,
        username="second",
    )  # fmt: skip
    assert second["id"] > site.ipbx["id"]
    site.add_trunk("same" + site.uuid, site.pbx_address)
    assert site.confd.auth(source_ip=site.pbx_address)["ipbx_id"] == site.ipbx["id"]
    reply = site.confd.auth(source_ip=site.pbx_address, domain="unknown.example.com")
    assert reply["ipbx_id"] is None and reply["carrier_trunk_id"] is not None


def test_trunk_by_address(site: Site) -> None:
    expected = REFUSED | {
        "success": True,
        "tenant_uuid": site.uuid,
        "carrier_trunk_id": site.trunk["id"],
    }
    assert site.confd.auth(source_ip=site.trunk_address) == expected
    assert site.confd.auth(source_ip=site.trunk_address, domain="any", username="any") == expected


def test_trunk_and_pbx_without_address_do_not_open_the_door(site: Site) -> None:
    site.post(
        "carrier_trunks", carrier_id=site.carrier["id"], name="open" + site.uuid, sip_proxy="x"
    )
    site.post("ipbxs", domain_id=site.domain["id"], ip_fqdn="x", username="open")
    assert site.confd.auth(source_ip="203.0.113.250") == REFUSED
    assert site.confd.auth(source_ip="203.0.113.250", username="open") == REFUSED


def test_ipv6_has_many_spellings(site: Site) -> None:
    change(site, ip_address=f"2001:db8:{site.uuid[:4]}:0:0::1")
    short = f"2001:db8:{site.uuid[:4].lstrip('0') or '0'}::1"
    assert site.confd.auth(source_ip=short)["ipbx_id"] == site.ipbx["id"]


# --- HA1 through the life of a PBX ------------------------------------------------------


def ha1(site: Site) -> Any:
    return site.confd.auth(source_ip=site.pbx_address)["password_ha1"]


def put(site: Site, **values: Any) -> None:
    required = {"domain_id": site.domain["id"], "ip_fqdn": site.pbx_address}
    site.put("ipbxs", site.ipbx["id"], **required | values)


def test_new_password_keeps_the_username(site: Site) -> None:
    put(site, username="name", password="one")
    put(site, password="two")
    assert ha1(site) == digest("name", site.domain_text, "two")


def test_other_changes_keep_the_password(site: Site) -> None:
    put(site, username="name", password="one")
    put(site, port=5099)
    assert ha1(site) == digest("name", site.domain_text, "one")


def test_new_username_without_password_never_opens_the_door(site: Site) -> None:
    put(site, username="name", password="one")
    put(site, username="other")
    assert ha1(site)  # the router still asks for a digest; it fits once the password is set anew
    put(site, password="one")
    assert ha1(site) == digest("other", site.domain_text, "one")


def test_new_domain_with_password(site: Site) -> None:
    other = site.post("domains", domain=f"other-{site.domain_text}")
    put(site, username="name", password="one", domain_id=str(other["id"]))
    assert ha1(site) == digest("name", other["domain"], "one")
