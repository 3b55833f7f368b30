"""What the end-to-end tests measured while something broke, and the page that shows it.

The tests write JSON, and `docs/faults.md` is made of it: nobody copies a number by hand.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from host.command_error import BAD_INPUT, CommandError

RESULTS = Path("docs/faults.json")
COLUMNS = ("fault", "calls", "lost", "refused in the window", "worst added delay", "took over")


class Finding(BaseModel):
    """One fault that calls have met.

    `lost` are calls that failed outside the stated window; `refused` failed inside of it.
    `delay_ms` is the worst time that the fault added to a setup or to a hang-up.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    fault: str
    calls: int
    lost: int
    refused: int = 0
    window: str = ""  # when new calls may fail, and for how long that was
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
    """Findings of a file, none when there is none. Raises `CommandError` when it is malformed."""
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
    """Findings as JSON, one member per line, for a readable diff."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_FINDINGS.dump_json(list(findings), indent=1) + b"\n")


def record(path: Path, findings: Sequence[Finding]) -> None:
    """Write findings into a file; rows of other faults stay, as a run may be of some tests."""
    rows = {finding.fault: finding for finding in (*read(path), *findings)}
    write(path, list(rows.values()))


def markdown(findings: Sequence[Finding]) -> list[str]:
    """Rows of a Markdown table, its head included."""
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
