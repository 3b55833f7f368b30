"""Where calls go."""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import Any
from uuid import uuid4

import pytest

from testbed.router_confd.instance import Instance, Site

pytestmark = pytest.mark.db


def destinations(reply: Any) -> list[str]:
    return [route["dst_uri"] for route in reply["rtjson"].get("routes", [])]


def md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def number() -> str:
    """A number that no other test uses, so that unauthenticated questions find only ours."""
    return "39" + str(uuid4().int)[:12]


def unique_domain() -> str:
    return f"{uuid4().hex[:12]}.example.org"


# --- inbound ---------------------------------------------------------------------------------


def test_golden_did(confd: Instance, site: Site) -> None:
    prefix = number()
    site.add_did(f"^{prefix}[0-9]+$")
    reply = confd.route(to_uri=f"sip:{prefix}789@dummy.com", to_name="Alice", from_tag="x")
    assert reply == {
        "auth": None,
        "rtjson": {
            "success": True,
            "version": "1.0",
            "routing": "serial",
            "routes": [
                {
                    "dst_uri": f"sip:{site.pbx_address}:5060",
                    "path": "",
                    "socket": "",
                    "headers": {
                        "from": {"display": "Bob", "uri": "sip:100@from.example.com"},
                        "to": {"display": "Alice", "uri": f"sip:{prefix}789@dummy.com"},
                        "extra": "P-Asserted-Identity: <sip:100@from.example.com>\r\n",
                    },
                    "branch_flags": 8,
                    "fr_timer": 5000,
                    "fr_inv_timer": 30000,
                    "uri": f"sip:{prefix}789@{site.pbx_address}:5060",
                }
            ],
        },
    }


def test_golden_unknown_number(confd: Instance) -> None:
    reply = confd.route(to_uri=f"sip:{number()}@{unique_domain()}")
    assert reply == {"auth": None, "rtjson": {"success": False}}


def test_domain(confd: Instance, site: Site) -> None:
    reply = confd.route(to_uri=f"sip:anybody@{site.domain_text}")
    assert destinations(reply) == [f"sip:{site.pbx_address}:5060"]


def test_domain_with_two_pbxs_means_the_first(site: Site) -> None:
    site.post("ipbxs", domain_id=site.domain["id"], ip_fqdn="10.9.9.9", username="second")
    reply = site.confd.route(to_uri=f"sip:x@{site.domain_text}")
    assert destinations(reply) == [f"sip:{site.pbx_address}:5060"]


def test_domain_beats_did(site: Site) -> None:
    other = site.post("ipbxs", domain_id=site.domain["id"], ip_fqdn="10.9.9.9", username="other")
    dialled = number()
    site.add_did(dialled, ipbx_id=other["id"])
    by_domain = site.confd.route(to_uri=f"sip:{dialled}@{site.domain_text}")
    by_number = site.confd.route(to_uri=f"sip:{dialled}@elsewhere.example.com")
    assert destinations(by_domain) == [f"sip:{site.pbx_address}:5060"]
    assert destinations(by_number) == ["sip:10.9.9.9:5060"]


@pytest.mark.parametrize("form", ["^{}$", "{}", "^{}", "+{}", "^+{}$"])
def test_full_number_did_matches(site: Site, form: str) -> None:
    dialled = number()
    site.add_did(form.format(dialled))
    assert destinations(site.inbound(dialled))
    assert destinations(site.inbound(f"+{dialled}"))
    assert not destinations(site.inbound(dialled + "0"))
    assert not destinations(site.inbound(dialled[:-1]))


def test_did_regex_is_anchored_at_both_ends(site: Site) -> None:
    prefix = number()
    site.add_did(f"{prefix}[0-3]")
    assert destinations(site.inbound(f"{prefix}3"))
    assert not destinations(site.inbound(f"{prefix}4"))
    assert not destinations(site.inbound(f"{prefix}33"))
    assert not destinations(site.inbound(f"1{prefix}3"))


def test_did_with_optional_digit_and_alternatives(site: Site) -> None:
    a, b = number(), number()
    site.add_did(f"^{a}0?1$")
    site.add_did(f"^{a}77$|^{b}[0-9]$")
    for dialled in (f"{a}1", f"{a}01", f"{a}77", f"{b}5"):
        assert destinations(site.inbound(dialled)), dialled
    assert not destinations(site.inbound(f"{a}0"))


def test_full_number_beats_pattern_and_patterns_go_by_pbx(site: Site) -> None:
    prefix = number()
    special = site.post(
        "ipbxs", domain_id=site.domain["id"], ip_fqdn="10.9.9.1", username="special"
    )
    site.add_did(f"^{prefix}1[0-9]$", ipbx_id=special["id"])
    site.add_did(f"^{prefix}[0-9]+$")
    site.add_did(f"^{prefix}15$", ipbx_id=special["id"])
    assert destinations(site.inbound(f"{prefix}15")) == ["sip:10.9.9.1:5060"]
    assert destinations(site.inbound(f"{prefix}16")) == [f"sip:{site.pbx_address}:5060"]


def test_did_without_regex_matches_nothing_and_harms_nobody(site: Site) -> None:
    site.add_did(None)
    dialled = number()
    site.add_did(dialled)
    assert destinations(site.inbound(dialled))
    assert not destinations(site.inbound(number()))


def test_did_change_and_removal_take_effect_at_once(site: Site) -> None:
    first, second = number(), number()
    did = site.add_did(f"^{first}$")
    ids = {"ipbx_id": site.ipbx["id"], "carrier_trunk_id": site.trunk["id"]}
    site.put("dids", did["id"], did_regex=f"^{second}$", **ids)
    assert not destinations(site.inbound(first))
    assert destinations(site.inbound(second))
    site.client.delete(f"/1.0/dids/{did['id']}")
    assert not destinations(site.inbound(second))


def test_same_number_in_two_tenants_goes_to_the_callers_tenant(confd: Instance) -> None:
    one, two = Site(confd), Site(confd)
    dialled = number()
    one.add_did(dialled)
    two.add_did(f"^{dialled}$")  # the operator may not create the same text twice
    assert destinations(one.inbound(dialled)) == [f"sip:{one.pbx_address}:5060"]
    assert destinations(two.inbound(dialled)) == [f"sip:{two.pbx_address}:5060"]


def test_domain_of_another_tenant_is_not_reachable_when_authenticated(confd: Instance) -> None:
    one, two = Site(confd), Site(confd)
    reply = confd.route(auth="1", source_ip=one.trunk_address, to_uri=f"sip:x@{two.domain_text}")
    assert reply["auth"]["success"] is True
    assert destinations(reply) == []


# --- the request -----------------------------------------------------------------------------


def test_failed_auth_does_not_stop_routing(site: Site) -> None:
    reply = site.confd.route(
        auth="1", source_ip="203.0.113.254", to_uri=f"sip:x@{site.domain_text}"
    )
    assert reply["auth"]["success"] is False
    assert destinations(reply)


def test_from_name_is_optional_and_empty_strings_are_absent(site: Site) -> None:
    body = {"from_uri": "sip:1@a", "to_uri": f"sip:x@{site.domain_text}", "auth": ""}
    empty = dict.fromkeys(("source_ip", "source_port", "username", "from_name", "event"), "")
    for request in (body, body | empty):
        answer = site.confd.kamailio.post("/1.0/kamailio/routing", json=request)
        assert answer.status_code == 200
        assert answer.json()["auth"] is None
        assert destinations(answer.json())


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b"null",
        b'{"to_uri": "sip:a@b"}',
        b'{"from_uri": "sip:a@b"}',
        b'{"from_uri": "sip:a@b", "to_uri": {}}',
        b'{"from_uri": "sip:a@b", "to_uri": "sip:a@b", "source_port": "x"}',
    ],
)
def test_bad_routing_request_is_422(confd: Instance, body: bytes) -> None:
    answer = confd.kamailio.post("/1.0/kamailio/routing", content=body)
    assert answer.status_code == 422
    for item in answer.json()["detail"]:
        assert set(item) == {"loc", "msg", "type"}
        assert item["loc"][0] == "body"


@pytest.mark.parametrize(
    "uri", ["", "nonsense", "sip:", "sip:@", "tel:+39040", "sip:a@[2001:db8::1]:5060;x=y", "@" * 50]
)
def test_odd_uris_are_answered(confd: Instance, uri: str) -> None:
    assert "rtjson" in confd.route(to_uri=uri, from_uri=uri, request_uri=uri)


def test_callers_of_the_same_number_keep_their_own_from(site: Site) -> None:
    to = f"sip:x@{site.domain_text}"
    one = site.confd.route(to_uri=to, from_uri="sip:111@a.example", from_name="One")
    two = site.confd.route(to_uri=to, from_uri="sip:222@b.example", from_name="Two")
    display = [r["rtjson"]["routes"][0]["headers"]["from"]["display"] for r in (one, two)]
    assert display == ["One", "Two"]
    assert "222@b.example" in two["rtjson"]["routes"][0]["headers"]["extra"]


def test_nothing_from_outside_can_start_a_header(site: Site) -> None:
    reply = site.confd.route(
        to_uri=f"sip:x@{site.domain_text}",
        from_name='"B"\r\nX-Evil: 1',
        from_uri="sip:1\r\nX-Evil: 2@a.example",
        to_name="A\nX-Evil: 3",
    )
    headers = reply["rtjson"]["routes"][0]["headers"]
    for text in (headers["from"]["display"], headers["from"]["uri"], headers["to"]["display"]):
        assert "\r" not in text and "\n" not in text
    assert headers["extra"].count("\r\n") == 1


def test_asserted_identity_is_a_valid_uri_or_absent(site: Site) -> None:
    to = f"sip:x@{site.domain_text}"
    known = site.confd.route(to_uri=to, from_uri="sip:+39 040-1@a.example:5070;user=phone")
    unknown = site.confd.route(to_uri=to, from_uri="nobody")
    extra = [r["rtjson"]["routes"][0]["headers"]["extra"] for r in (known, unknown)]
    assert extra == ["P-Asserted-Identity: <sip:390401@a.example>\r\n", ""]


# --- outbound --------------------------------------------------------------------------------


def test_golden_outbound_by_ip_fqdn(site: Site) -> None:
    reply = site.confd.route(source_ip=site.pbx_address, to_uri="sip:0039@foreign.example.com:5080")
    (route,) = reply["rtjson"]["routes"]
    assert route["dst_uri"] == f"sip:{site.trunk_address}:5060"
    assert route["headers"]["to"]["uri"] == "sip:0039@foreign.example.com:5080"  # with the port
    assert "auth_username" not in reply["rtjson"]


def test_pbx_then_trunk_when_both_fit(site: Site) -> None:
    """As ever: the callee's PBX first, the carrier as second choice."""
    dialled = number()
    site.add_did(dialled)
    assert destinations(site.outbound(dialled)) == [
        f"sip:{site.pbx_address}:5060",
        f"sip:{site.trunk_address}:5060",
    ]


def test_trunk_credentials_are_usable_for_digest(site: Site) -> None:
    body = {"auth_username": "user", "auth_password": "S3cret:p@ss", "realm": "carrier.example"}
    site.put(
        "carrier_trunks", site.trunk["id"], name="t" + site.uuid, sip_proxy="192.0.2.1", **body
    )
    reply = site.outbound("123")["rtjson"]
    assert {k: reply[k] for k in body} == body
    assert reply["auth_ha1"] == md5("user:carrier.example:S3cret:p@ss")
    assert "auth_password" not in reply["routes"][0]  # a compatible client sees the old shape


def test_pbx_credentials_are_ha1(site: Site) -> None:
    site.put(
        "ipbxs",
        site.ipbx["id"],
        domain_id=site.domain["id"],
        ip_fqdn=site.pbx_address,
        username="pbx",
        password="word",
        realm="realm.example",
    )
    reply = site.confd.route(to_uri=f"sip:x@{site.domain_text}")["rtjson"]
    assert reply["auth_username"] == "pbx"
    assert reply["realm"] == "realm.example"
    assert reply["auth_ha1"] == md5("pbx:realm.example:word")
    assert "auth_password" not in reply


def test_one_trunk_without_rules(site: Site) -> None:
    site.add_trunk("second" + site.uuid, "192.0.2.2")
    assert destinations(site.outbound("123")) == [f"sip:{site.trunk_address}:5060"]


# --- routing rules ---------------------------------------------------------------------------


def rule(site: Site, trunk: Any, **more: Any) -> Any:
    body = {"ipbx_id": site.ipbx["id"], "route_type": "pstn"} | more
    return site.post("routing-rules", carrier_trunk_id=trunk["id"], **body)


@pytest.fixture
def trunks(site: Site) -> list[Any]:
    return [site.add_trunk(f"t{i} {site.uuid}", f"192.0.2.{i}") for i in range(1, 5)]


def proxies(reply: Any) -> list[str]:
    return [text.removeprefix("sip:192.0.2.").split(":")[0] for text in destinations(reply)]


def test_rule_without_priority_is_stored_only(site: Site, trunks: list[Any]) -> None:
    rule(site, trunks[1], prefix="39")
    assert destinations(site.outbound("39040")) == [f"sip:{site.trunk_address}:5060"]


def test_rules_by_longest_prefix_then_priority(site: Site, trunks: list[Any]) -> None:
    rule(site, trunks[0], prefix="", priority=0)
    rule(site, trunks[1], prefix="39", priority=20)
    rule(site, trunks[2], prefix="+39", priority=10)
    rule(site, trunks[3], prefix="39040", priority=99)
    assert proxies(site.outbound("39040123")) == ["4", "3", "2", "1"]
    assert proxies(site.outbound("+3902")) == ["3", "2", "1"]
    assert proxies(site.outbound("44")) == ["1"]


def test_rule_regex_restricts_and_no_rule_means_no_route(site: Site, trunks: list[Any]) -> None:
    rule(site, trunks[0], prefix="39", did_regex="39[0-9]{4}", priority=1)
    assert proxies(site.outbound("391234")) == ["1"]
    assert site.outbound("3912345")["rtjson"] == {"success": False}
    assert site.outbound("44")["rtjson"] == {"success": False}


def test_weight_shares_the_first_choice(site: Site, trunks: list[Any]) -> None:
    rule(site, trunks[0], priority=1, weight=90)
    rule(site, trunks[1], priority=1, weight=10)
    firsts: Counter[str] = Counter()
    for _ in range(200):
        order = proxies(site.outbound("44"))
        assert sorted(order) == ["1", "2"]
        firsts[order[0]] += 1
    assert 150 <= firsts["1"] <= 198  # 180 expected; beyond 6 standard deviations either way


def test_rule_is_of_its_pbx_until_a_group_opens_it(site: Site, trunks: list[Any]) -> None:
    other = site.post(
        "ipbxs", domain_id=site.domain["id"], ip_fqdn="10.8.8.8", username=site.uuid[:8]
    )
    of_other = rule(site, trunks[2], priority=1, ipbx_id=other["id"])
    assert destinations(site.outbound("44")) == [f"sip:{site.trunk_address}:5060"]
    group = site.post("routing-groups", routing_rule_id=of_other["id"])
    assert proxies(site.outbound("44")) == ["3"]
    site.client.delete(f"/1.0/routing-groups/{group['id']}")
    assert destinations(site.outbound("44")) == [f"sip:{site.trunk_address}:5060"]


def test_a_trunk_is_tried_once_and_eight_at_most(site: Site) -> None:
    many = [site.add_trunk(f"m{i} {site.uuid}", f"192.0.2.{i}") for i in range(1, 12)]
    for priority, trunk in enumerate(many):
        rule(site, trunk, priority=priority)
        rule(site, trunk, prefix="4", priority=priority)
    assert proxies(site.outbound("44")) == [str(i) for i in range(1, 9)]


# --- the opt-in Request-URI ------------------------------------------------------------------


def test_request_uri_decides_instead_of_to(site: Site) -> None:
    dialled = number()
    site.add_did(dialled)
    reply = site.inbound("999", request_uri=f"sip:+{dialled}@203.0.113.1:5060;transport=udp")
    (route,) = reply["rtjson"]["routes"]
    assert route["dst_uri"] == f"sip:{site.pbx_address}:5060"
    assert route["uri"] == f"sip:{dialled}@{site.pbx_address}:5060"
    assert route["headers"]["to"]["uri"] == "sip:999@sbc.example.com"
    assert route["ipbx_id"] == site.ipbx["id"]
    assert not destinations(site.inbound(dialled, request_uri="sip:999@203.0.113.1"))


def test_authenticated_pbx_may_call_out_whatever_its_fqdn(site: Site) -> None:
    site.put("ipbxs", site.ipbx["id"], domain_id=site.domain["id"], ip_fqdn="pbx.example.com")
    assert not destinations(site.outbound("44"))
    reply = site.outbound("44", request_uri="sip:44@sbc.example.com")
    assert destinations(reply) == [f"sip:{site.trunk_address}:5060"]
    assert reply["rtjson"]["routes"][0]["carrier_trunk_id"] == site.trunk["id"]


def test_own_domain_does_not_send_the_call_back(site: Site) -> None:
    reply = site.outbound("44", request_uri=f"sip:44@{site.domain_text}")
    assert destinations(reply) == [f"sip:{site.trunk_address}:5060"]


def test_what_a_pbx_of_ours_answers_is_not_tried_at_a_carrier(site: Site) -> None:
    dialled = number()
    site.add_did(dialled)
    reply = site.outbound(dialled, request_uri=f"sip:{dialled}@sbc.example.com")
    assert destinations(reply) == [f"sip:{site.pbx_address}:5060"]


def test_each_trunk_has_its_own_credentials(site: Site) -> None:
    for i in (1, 2):
        trunk = site.add_trunk(
            f"c{i}{site.uuid}", f"192.0.2.{i}", auth_username=f"u{i}", auth_password=f"p{i}",
            realm=f"r{i}",
        )  # fmt: skip
        rule(site, trunk, priority=i)
    reply = site.outbound("44", request_uri="sip:44@sbc.example.com")["rtjson"]
    logins = [(r["auth_username"], r["auth_password"], r["realm"]) for r in reply["routes"]]
    assert logins == [("u1", "p1", "r1"), ("u2", "p2", "r2")]
    assert reply["auth_username"] == "u1"


# --- normalization ---------------------------------------------------------------------------


def profile(site: Site, **more: Any) -> Any:
    return site.post(
        "normalization-profiles", **{"name": "p" + uuid4().hex, "country_code": "39"} | more
    )


def test_inbound_rules_of_the_trunk_apply(site: Site) -> None:
    trunk_profile = profile(site)
    for priority, match, replace in ((1, "^00", ""), (2, "^0", "39")):
        site.post(
            "normalization-rules", profile_id=trunk_profile["id"], rule_type=1, priority=priority,
            match_regex=match, replace_regex=replace,
        )  # fmt: skip
    site.put(
        "carrier_trunks", site.trunk["id"], name="n" + site.uuid, sip_proxy=site.trunk_address,
        normalization_profile_id=trunk_profile["id"],
    )  # fmt: skip
    tail = number()[2:]
    site.add_did(f"39{tail}")
    assert destinations(site.inbound(f"0{tail}"))
    assert destinations(site.inbound(f"0039{tail}"))
    reply = site.inbound(f"0{tail}", from_uri="sip:0044@carrier.example")
    headers = reply["rtjson"]["routes"][0]["headers"]
    assert headers["from"]["uri"] == "sip:44@carrier.example"
    assert headers["to"]["uri"] == f"sip:39{tail}@sbc.example.com"


def test_outbound_rules_of_the_trunk_apply(site: Site) -> None:
    trunk_profile = profile(site, always_intl_prefix_plus=True)
    site.post(
        "normalization-rules", profile_id=trunk_profile["id"], rule_type=2,
        match_regex="^39([0-9]+)$", replace_regex=r"0\1",
    )  # fmt: skip
    site.put(
        "carrier_trunks", site.trunk["id"], name="n" + site.uuid, sip_proxy=site.trunk_address,
        normalization_profile_id=trunk_profile["id"],
    )  # fmt: skip
    (route,) = site.outbound("39040")["rtjson"]["routes"]
    assert route["headers"]["to"]["uri"] == "sip:+0040@sbc.example.com"
    assert route["uri"] == f"sip:+0040@{site.trunk_address}:5060"


def test_profile_without_country_code_is_none(site: Site) -> None:
    empty = profile(site, country_code=None, always_intl_prefix_plus=True)
    site.put(
        "carrier_trunks", site.trunk["id"], name="n" + site.uuid, sip_proxy=site.trunk_address,
        normalization_profile_id=empty["id"],
    )  # fmt: skip
    (route,) = site.outbound("39040")["rtjson"]["routes"]
    assert route["headers"]["to"]["uri"] == "sip:39040@sbc.example.com"


# --- limits of calls -------------------------------------------------------------------------


def test_limits_go_with_the_answer(site: Site) -> None:
    dialled = number()
    site.client.patch(f"/1.0/tenants/{site.uuid}", json={"max_calls": 100, "max_cps": 20})
    site.client.patch(f"/1.0/ipbxs/{site.ipbx['id']}", json={"max_calls": 10})
    site.client.patch(f"/1.0/carrier_trunks/{site.trunk['id']}", json={"max_cps": 5})
    tenant = {"key": f"tenant:{site.uuid}", "max_calls": 100, "max_cps": 20}
    pbx = {"key": f"ipbx:{site.ipbx['id']}", "max_calls": 10}
    trunk = {"key": f"carrier_trunk:{site.trunk['id']}", "max_cps": 5}
    reply = site.outbound(dialled, request_uri=f"sip:{dialled}@sbc.example.com")
    assert reply["limits"] == {"tenant": tenant, "source": pbx}
    assert [route["limits"] for route in reply["rtjson"]["routes"]] == [trunk]
    site.add_did(dialled)
    reply = site.confd.route(
        auth=True, source_ip=site.trunk_address, to_uri=f"sip:{dialled}@sbc.example.com",
        request_uri=f"sip:{dialled}@sbc.example.com",
    )  # fmt: skip
    assert reply["limits"] == {"tenant": tenant, "source": trunk}
    assert [route["limits"] for route in reply["rtjson"]["routes"]] == [pbx]


def test_keys_are_there_without_limits(site: Site) -> None:
    reply = site.outbound("44", request_uri="sip:44@sbc.example.com")
    assert reply["limits"] == {
        "tenant": {"key": f"tenant:{site.uuid}"}, "source": {"key": f"ipbx:{site.ipbx['id']}"}
    }  # fmt: skip


def test_clients_that_do_not_opt_in_see_no_limits(site: Site) -> None:
    site.client.patch(f"/1.0/tenants/{site.uuid}", json={"max_calls": 100})
    assert set(site.outbound("44")) == {"auth", "rtjson"}
    unknown = site.confd.route(
        auth=True, source_ip="192.0.2.250", to_uri="sip:44@x", request_uri="sip:44@x"
    )
    assert set(unknown) == {"auth", "rtjson"}


def test_changed_tenant_limits_are_in_force_at_once(site: Site) -> None:
    def limits() -> Any:
        return site.outbound("44", request_uri="sip:44@sbc.example.com")["limits"]["tenant"]

    for change in ({"max_calls": 7}, {"max_calls": 8, "max_cps": 2}, {"max_calls": None}):
        site.client.patch(f"/1.0/tenants/{site.uuid}", json=change)
        for name, value in change.items():
            assert limits().get(name) == value
    read = site.client.get(f"/1.0/tenants/{site.uuid}").json()
    assert read == {"uuid": site.uuid, "name": read["name"], "max_cps": 2}


# --- calls to a registered trunk -------------------------------------------------------------


def registered(site: Site, **more: Any) -> dict[str, Any]:
    trunk: dict[str, Any] = site.client.patch(
        f"/1.0/carrier_trunks/{site.trunk['id']}", json={"registered": True, **more}
    ).json()
    return trunk


def called_by_contact(site: Site, to: str) -> Any:
    """The question that a call to the Contact of the trunk's registration makes."""
    return site.confd.route(
        auth=True, source_ip=site.trunk_address, to_uri=f"sip:{to}@carrier.example",
        request_uri=f"sip:{site.trunk['id']}@203.0.113.1:5060",
    )  # fmt: skip


def test_call_to_the_contact_of_a_registration_goes_by_its_to_header(site: Site) -> None:
    registered(site)
    dialled = number()
    site.add_did(dialled)
    (route,) = called_by_contact(site, f"+{dialled}")["rtjson"]["routes"]
    assert route["uri"] == f"sip:{dialled}@{site.pbx_address}:5060"


def test_call_to_the_account_of_a_registration_goes_by_its_number(site: Site) -> None:
    dialled = number()
    registered(site, auth_username=dialled)
    site.add_did(dialled)
    (route,) = called_by_contact(site, "nobody")["rtjson"]["routes"]
    assert route["uri"] == f"sip:{dialled}@{site.pbx_address}:5060"


def test_only_a_registered_trunk_is_called_by_its_contact(site: Site) -> None:
    dialled = number()
    site.add_did(dialled)
    assert not destinations(called_by_contact(site, dialled))
    registered(site)
    assert destinations(called_by_contact(site, dialled))
    other = site.confd.route(
        auth=True, source_ip=site.trunk_address, to_uri=f"sip:{dialled}@carrier.example",
        request_uri=f"sip:{site.trunk['id'] + 1}@203.0.113.1:5060",
    )  # fmt: skip
    assert not destinations(other)


# --- transport -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("transport", "parameter"),
    [("udp", ""), ("tcp", ";transport=tcp"), ("tls", ";transport=tls"), (None, "")],
)
def test_pbxs_and_trunks_are_reached_by_their_transport(
    confd: Instance, site: Site, transport: str | None, parameter: str
) -> None:
    prefix = number()
    site.add_did(f"^{prefix}[0-9]+$")
    site.client.patch(
        f"/1.0/ipbxs/{site.ipbx['id']}", json={"port": 5061, "transport": transport}
    ).raise_for_status()
    inbound = confd.route(to_uri=f"sip:{prefix}789@dummy.com", from_tag="x")
    assert destinations(inbound) == [f"sip:{site.pbx_address}:5061{parameter}"]
    assert ";" not in inbound["rtjson"]["routes"][0]["uri"]

    path = f"/1.0/carrier_trunks/{site.trunk['id']}"
    row = site.client.patch(path, json={"transport": transport}).json()
    assert row.get("transport") == transport
    outbound = site.confd.route(source_ip=site.pbx_address, to_uri="sip:0039@foreign.example.com")
    assert destinations(outbound) == [f"sip:{site.trunk_address}:5060{parameter}"]
