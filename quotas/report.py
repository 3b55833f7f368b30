"""Needs beside quotas: which are short, as a table and as JSON."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from rich.table import Table

from quotas.account import Account
from quotas.needs import instance_types, needs, vcpu_code
from settings.deployment import Deployment


@dataclass(frozen=True)
class Row:
    """One quota: needed in all, used by others, allowed."""

    title: str
    service: str
    code: str
    needed: int
    used_by_others: int
    allowed: int
    from_account: bool  # False: the account did not tell, `allowed` is AWS's default
    why: str

    @property
    def short(self) -> int:
        """How much is missing; 0 when there is enough."""
        return max(0, self.needed + self.used_by_others - self.allowed)


@dataclass(frozen=True)
class Report:
    """All quotas of a deployment, and instance types that no quota is known for."""

    rows: tuple[Row, ...]
    unknown_types: tuple[str, ...]

    @property
    def is_short(self) -> bool:
        return any(row.short for row in self.rows)

    def as_json(self) -> dict[str, Any]:
        """`{"enough": bool, "quotas": [...], "unknown_types": [...]}`."""
        quotas = [asdict(row) | {"short": row.short} for row in self.rows]
        return {
            "enough": not self.is_short,
            "quotas": quotas,
            "unknown_types": list(self.unknown_types),
        }


def compare(deployment: Deployment, account: Account) -> Report:
    """Ask the account about everything that the deployment needs. Raises `botocore`'s errors."""
    types = instance_types(deployment)
    rows = []
    for need in needs(deployment, account.vcpus(types)):
        allowed, told = account.allowed(need.quota)
        rows.append(
            Row(
                title=need.quota.title,
                service=need.quota.service,
                code=need.quota.code,
                needed=need.amount,
                used_by_others=account.used_by_others(need.quota),
                allowed=allowed,
                from_account=told,
                why=need.why,
            )
        )
    unknown = tuple(sorted(kind for kind in types if vcpu_code(kind) is None))
    return Report(tuple(rows), unknown)


def table(rows: Iterable[Row]) -> Table:
    """The rows for a terminal; what is short is red."""
    made = Table("quota", "needed", "others use", "allowed", "short by", "code", "because of")
    for row in rows:
        made.add_row(
            row.title,
            str(row.needed),
            str(row.used_by_others),
            f"{row.allowed}" if row.from_account else f"{row.allowed} (AWS's default)",
            str(row.short or "-"),
            f"{row.service} {row.code}",
            row.why,
            style="red" if row.short else None,
        )
    return made
