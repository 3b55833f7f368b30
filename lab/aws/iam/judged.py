"""How calls of instances were judged, as the local cloud's process tells other processes."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from lab.aws.iam.enforcement import RECORDS_PATH

TIMEOUT_S: Final = 10


@dataclass(frozen=True)
class JudgedCall:
    """A kind of call of a role, such as `ec2:DescribeInstances`."""

    role: str
    call: str
    allowed: bool
    count: int


@dataclass(frozen=True)
class Judged:
    """All calls so far, the statements that allowed them, and the texts of denials."""

    calls: tuple[JudgedCall, ...]
    used: frozenset[tuple[str, str, str]]  # role, statement (Sid), action
    denials: Mapping[str, int]

    @classmethod
    def read(cls, port: int) -> Judged:
        """Ask the process whose API listens on that port of the loopback. Raises `OSError`."""
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
        try:
            connection.request("GET", RECORDS_PATH)
            return cls.of(json.loads(connection.getresponse().read()))
        finally:
            connection.close()

    @classmethod
    def of(cls, records: Mapping[str, Any]) -> Judged:
        return cls(
            tuple(JudgedCall(**call) for call in records["calls"]),
            frozenset((u["role"], u["statement"], u["action"]) for u in records["used"]),
            records["denials"],
        )

    @property
    def count(self) -> int:
        return sum(call.count for call in self.calls)

    @property
    def denied(self) -> int:
        return sum(call.count for call in self.calls if not call.allowed)

    @property
    def kinds(self) -> int:
        """The number of different calls, such as `ec2:DescribeInstances`."""
        return len({call.call for call in self.calls})

    @property
    def roles(self) -> int:
        return len({call.role for call in self.calls})
