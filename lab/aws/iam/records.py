"""What was judged: counts for the demo's report, and which statements of a role were ever used."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable
from typing import Any, Final

from lab.aws.iam.documents import Statement
from lab.aws.iam.needs import Need

KEPT: Final = 200  # messages of different denials

Json = dict[str, Any]


class Records:
    """Counters, which threads may use at the same time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: Counter[tuple[str, str, bool]] = Counter()  # role, call, allowed
        self._used: Counter[tuple[str, str, str, str, str]] = Counter()
        self._denials: Counter[str] = Counter()

    def allowed(
        self, role: str, call: str, why: Iterable[tuple[Need, Iterable[Statement]]]
    ) -> None:
        """Count a call of a role, and each statement that allowed a part of it."""
        with self._lock:
            self._calls[role, call, True] += 1
            for need, statements in why:
                for statement in statements:
                    key = (role, statement.policy, statement.name, need.action, need.resource)
                    self._used[key] += 1

    def denied(self, role: str, call: str, message: str) -> bool:
        """Count a call that was denied; true when the same was not denied before."""
        with self._lock:
            self._calls[role, call, False] += 1
            new = message not in self._denials
            if not new or len(self._denials) < KEPT:
                self._denials[message] += 1
            return new

    def as_json(self) -> Json:
        """`calls`: role, call, allowed, count; `used`: statements; `denials`: texts, counts."""
        with self._lock:
            return {
                "calls": [
                    {"role": role, "call": call, "allowed": allowed, "count": count}
                    for (role, call, allowed), count in sorted(self._calls.items())
                ],
                "used": [
                    {
                        "role": role,
                        "policy": policy,
                        "statement": statement,
                        "action": action,
                        "resource": resource,
                        "count": count,
                    }
                    for (role, policy, statement, action, resource), count in sorted(
                        self._used.items()
                    )
                ],
                "denials": dict(self._denials),
            }
