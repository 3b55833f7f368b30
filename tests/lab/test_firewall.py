"""Security groups as rules of a machine."""

from __future__ import annotations

from ipaddress import IPv4Address

from lab.network.firewall import Group, Rule, ruleset

GATEWAY = IPv4Address("10.40.64.1")
ROUTER = IPv4Address("10.40.64.5")
GROUPS = {
    "sg-sbc": Group(
        "sg-sbc",
        ingress=(
            Rule("udp", 5060, 5060, cidr="0.0.0.0/0"),
            Rule("udp", 5070, 5070, group="sg-router"),
        ),
        egress=(Rule("tcp", 443, 443, cidr="10.0.0.0/8"), Rule("-1", None, None, group="sg-none")),
    ),
    "sg-router": Group("sg-router", members=frozenset({ROUTER})),
    "sg-none": Group("sg-none"),
    "sg-open": Group("sg-open", egress=(Rule("-1", None, None, cidr="0.0.0.0/0"),)),
}


def test_addresses_groups_and_ports() -> None:
    text = ruleset(["sg-sbc"], GROUPS, GATEWAY)
    assert "ip saddr { 10.40.64.5 } udp dport 5070-5070 accept" in text
    assert "meta nfproto ipv4 udp dport 5060-5060 accept" in text
    assert "ip daddr 10.0.0.0/8 tcp dport 443-443 accept" in text


def test_a_group_without_members_lets_nothing_through() -> None:
    assert "sg-none" not in ruleset(["sg-sbc"], GROUPS, GATEWAY)
    assert not [
        line for line in ruleset(["sg-router"], GROUPS, GATEWAY).splitlines() if "dport" in line
    ]


def test_rules_of_all_attached_groups_add_up() -> None:
    text = ruleset(["sg-sbc", "sg-open"], GROUPS, GATEWAY)
    assert "udp dport 5060-5060 accept" in text
    assert "meta nfproto ipv4 accept" in text


def test_what_is_not_allowed_is_dropped_but_answers_and_metadata_pass() -> None:
    text = ruleset([], GROUPS, GATEWAY)
    assert text.count("policy drop") == 2
    assert text.count("ct state established,related accept") == 2
    assert "ip daddr 169.254.0.0/16 accept" in text
    assert "ip saddr { 169.254.0.0/16, 10.40.64.1 } accept" in text
