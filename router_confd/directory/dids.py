"""Which PBX a dialled number belongs to. A million plain numbers cost about 100 MB."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from router_confd.routing import patterns

LONGEST_NUMBER = 64  # characters; nothing longer is a number, and no work is spent on it

SELECT_NUMBERS = "SELECT did_prefix, ipbx_id FROM dids WHERE is_number"
SELECT_PATTERNS = (
    "SELECT did_prefix, ipbx_id, did_regex FROM dids WHERE NOT is_number AND did_regex IS NOT NULL"
)


class DidIndex:
    """Plain numbers by a dictionary; expressions by the digits that they start with."""

    def __init__(self) -> None:
        # One PBX is the rule: its id is stored bare to save memory.
        self._numbers: dict[str, int | tuple[int, ...]] = {}
        self._patterns: dict[str, tuple[tuple[int, str], ...]] = {}
        self._ids: dict[int, int] = {}  # one object per PBX id instead of one per DID

    def forget(self, prefixes: Iterable[str]) -> None:
        """Drop everything under these prefixes, before `put` brings the present state."""
        for prefix in prefixes:
            self._numbers.pop(prefix, None)
            self._patterns.pop(prefix, None)

    def put_numbers(self, records: Iterable[Any]) -> None:
        """Records of SELECT_NUMBERS."""
        for number, ipbx_id in records:
            ipbx_id = self._ids.setdefault(ipbx_id, ipbx_id)
            present = self._numbers.setdefault(number, ipbx_id)
            if present is not ipbx_id:
                others = present if isinstance(present, tuple) else (present,)
                self._numbers[number] = (*others, ipbx_id)

    def put_patterns(self, records: Iterable[Any]) -> None:
        """Records of SELECT_PATTERNS."""
        for prefix, ipbx_id, regex in records:
            self._patterns[prefix] = (*self._patterns.get(prefix, ()), (ipbx_id, regex))

    def __len__(self) -> int:
        return len(self._numbers) + len(self._patterns)

    def find(self, number: str) -> Iterator[int]:
        """PBX ids that the number belongs to: plain numbers first, then by PBX id."""
        if not number or len(number) > LONGEST_NUMBER:
            return
        plain = self._numbers.get(number, ())
        yield from sorted(plain) if isinstance(plain, tuple) else (plain,)
        if not self._patterns:
            return
        candidates: list[tuple[int, str]] = []
        for length in range(len(number) + 1):
            candidates.extend(self._patterns.get(number[:length], ()))
        for ipbx_id, regex in sorted(candidates):
            if patterns.matches(regex, number):
                yield ipbx_id
