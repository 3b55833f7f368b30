"""Which carrier trunks a call from a PBX tries, in order."""

from __future__ import annotations

import random
from collections.abc import Iterable
from itertools import groupby

from router_confd.directory.rows import Ipbx, RoutingRule, Trunk
from router_confd.directory.store import Directory
from router_confd.routing import patterns

MOST_TRUNKS = 8  # that one call tries in sequence


def trunks(directory: Directory, ipbx: Ipbx, number: str) -> list[Trunk]:
    """Trunks for a call from `ipbx` to `number` (E.164 digits), first choice first.

    Rules with a priority decide: the PBX's own, and those that a routing group of the tenant
    opens to all its PBXs. Where there are none, the tenant's first trunk is used, as
    wazo-router-confd does.
    """
    rules = _in_force(directory, ipbx)
    if not rules:
        return list(directory.trunks_by_tenant[ipbx.tenant_uuid][:1])
    found: dict[int, Trunk] = {}
    for rule in _ordered(rule for rule in rules if _fits(rule, number)):
        trunk = directory.trunks.rows.get(rule.carrier_trunk_id)
        if trunk is not None and trunk.tenant_uuid == ipbx.tenant_uuid:
            found.setdefault(trunk.id, trunk)
    return list(found.values())[:MOST_TRUNKS]


def _in_force(directory: Directory, ipbx: Ipbx) -> list[RoutingRule]:
    own = directory.routes_by_ipbx[ipbx.id]
    rules = {rule.id: rule for rule in own}
    for group in directory.groups_by_tenant[ipbx.tenant_uuid]:
        rule = directory.routing_rules.rows.get(group.routing_rule_id or 0)
        if rule is not None:
            rules[rule.id] = rule
    return list(rules.values())


def _fits(rule: RoutingRule, number: str) -> bool:
    if not number.startswith(_prefix(rule)):
        return False
    return rule.did_regex is None or patterns.matches(rule.did_regex, number)


def _prefix(rule: RoutingRule) -> str:
    return (rule.prefix or "").lstrip("+")


def _ordered(rules: Iterable[RoutingRule]) -> Iterable[RoutingRule]:
    """By longest prefix, then by lowest priority, then at random by weight."""

    def rank(rule: RoutingRule) -> tuple[int, int]:
        return -len(_prefix(rule)), rule.priority or 0

    for _, equals in groupby(sorted(rules, key=rank), key=rank):
        # Sorting by exponential variates whose rate is the weight draws without replacement, in
        # proportion to the weights.
        yield from sorted(equals, key=lambda rule: random.expovariate(rule.weight or 1))
