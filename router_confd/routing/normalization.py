"""Converts numbers between the form of a trunk or PBX and the E.164 digits used inside."""

from __future__ import annotations

import re

from router_confd.directory.rows import NormalizationRule, Profile
from router_confd.directory.store import Directory
from router_confd.routing import patterns

LOCAL_TO_E164 = 1
E164_TO_LOCAL = 2
LONGEST = 64  # characters; a rule whose result would be longer is not applied

_NOT_ALNUM = re.compile(r"[^0-9A-Za-z]")


def clean(number: str) -> str:
    """The ASCII letters and digits of the number."""
    return number if number.isascii() and number.isalnum() else _NOT_ALNUM.sub("", number)


class Normalizer:
    """Applies the rules of the normalization profiles in one Directory."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    def profile(self, profile_id: int | None) -> Profile | None:
        """The profile, or None. A profile without a country code counts as none."""
        profile = self._directory.profiles.rows.get(profile_id or 0)
        return profile if profile and profile.country_code else None

    def to_e164(self, number: str, profile: Profile | None) -> str:
        return self._apply(clean(number), profile, LOCAL_TO_E164)

    def to_local(self, number: str, profile: Profile | None) -> str:
        result = self._apply(clean(number), profile, E164_TO_LOCAL)
        return f"+{result}" if profile and profile.always_intl_prefix_plus else result

    def _apply(self, number: str, profile: Profile | None, rule_type: int) -> str:
        if profile is None:
            return number
        rules = self._directory.rules_by_profile[profile.id, rule_type]
        for rule in sorted(rules, key=_order):
            if number.startswith(patterns.alnum_prefix(rule.match_regex)):
                changed = patterns.substitute(rule.match_regex, rule.replace_regex, number)
                number = changed if len(changed) <= LONGEST else number
        return number


def _order(rule: NormalizationRule) -> tuple[int, int]:
    return rule.priority, rule.id
