"""Measurements of the end-to-end tests during faults, and the page that shows them.

The tests write JSON, from which `docs/faults.md` is generated. No number is copied by hand.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from host.command_error import BAD_INPUT, CommandError

RESULTS = Path("docs/faults.json")
COLUMNS = ("fault", "calls", "lost", "refused in the window", "worst added delay", "took over")


class Finding(BaseModel):
    """The effect of one fault on calls.

    `lost` counts calls that failed outside the stated window, `refused` those that failed inside
    it. `delay_ms` is the longest delay that the fault added to a setup or to a hang-up.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    fault: str
    calls: int
    lost: int
    refused: int = 0
    window: str = ""  # the period in which new calls may fail, and its length
    delay_ms: int
    takeover: str

    @property
    def cells(self) -> tuple[str, ...]:
        refused = f"{self.refused}: {self.window}" if self.window else "-"
        return (
            self.fault, str(self.calls), str(self.lost), refused, f"{self.delay_ms} ms",
            self.takeover,
        )  # fmt: skip


_FINDINGS = TypeAdapter(list[Finding])


def read(path: Path) -> list[Finding]:
    """The findings in a file; none without a file. Raises `CommandError` if it is malformed."""
    if not path.exists():
        return []
    try:
        return _FINDINGS.validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise CommandError(
            f"{path}: {place}: {first['msg']}", "run: make faults", BAD_INPUT
        ) from None


def write(path: Path, findings: Sequence[Finding]) -> None:
    """Write findings as JSON, with one member per line for a readable diff."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_FINDINGS.dump_json(list(findings), indent=1) + b"\n")


def record(path: Path, findings: Sequence[Finding]) -> None:
    """Replace findings in a file. Those of other faults stay, as a run may skip some tests."""
    rows = {finding.fault: finding for finding in (*read(path), *findings)}
    write(path, list(rows.values()))


def markdown(findings: Sequence[Finding]) -> list[str]:
    """The rows of a Markdown table, with its head."""
    rows = [f"| {' | '.join(COLUMNS)} |", "| --- | --: | --: | --- | --: | --- |"]
    return rows + [f"| {' | '.join(finding.cells)} |" for finding in findings]


def aligned(findings: Sequence[Finding]) -> list[str]:
    """The same table for a terminal."""
    rows = [COLUMNS, *(finding.cells for finding in findings)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(COLUMNS))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
