"""Finds the PBX that a dialled number belongs to. A million plain numbers take about 100 MB."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from router_confd.routing import patterns

LONGEST_NUMBER = 64  # characters; a longer text is not looked up at all

SELECT_NUMBERS = "SELECT did_prefix, ipbx_id FROM dids WHERE is_number"
SELECT_PATTERNS = (
    "SELECT did_prefix, ipbx_id, did_regex FROM dids WHERE NOT is_number AND did_regex IS NOT NULL"
)


class DidIndex:
    """Finds plain numbers in a dictionary, and expressions by the digits that they start with."""

    def __init__(self) -> None:
        # Nearly every number has one PBX, whose id is stored without a tuple to save memory.
        self._numbers: dict[str, int | tuple[int, ...]] = {}
        self._patterns: dict[str, tuple[tuple[int, str], ...]] = {}
        self._ids: dict[int, int] = {}  # one object per PBX id instead of one per DID

    def forget(self, prefixes: Iterable[str]) -> None:
        """Remove everything under these prefixes, before `put_*` adds their present state."""
        for prefix in prefixes:
            self._numbers.pop(prefix, None)
            self._patterns.pop(prefix, None)

    def put_numbers(self, records: Iterable[Any]) -> None:
        """Add records of SELECT_NUMBERS."""
        for number, ipbx_id in records:
            ipbx_id = self._ids.setdefault(ipbx_id, ipbx_id)
            present = self._numbers.setdefault(number, ipbx_id)
            if present is not ipbx_id:
                others = present if isinstance(present, tuple) else (present,)
                self._numbers[number] = (*others, ipbx_id)

    def put_patterns(self, records: Iterable[Any]) -> None:
        """Add records of SELECT_PATTERNS."""
        for prefix, ipbx_id, regex in records:
            self._patterns[prefix] = (*self._patterns.get(prefix, ()), (ipbx_id, regex))

    def __len__(self) -> int:
        return len(self._numbers) + len(self._patterns)

    def find(self, number: str) -> Iterator[int]:
        """The ids of the PBXs that the number belongs to: plain numbers first, then by PBX id."""
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
