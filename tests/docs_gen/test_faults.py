"""Do the findings of the fault tests reach the page unchanged?"""

from __future__ import annotations

from pathlib import Path

import pytest

from docs_gen import faults
from host.command_error import BAD_INPUT, CommandError

FINDING = faults.Finding(
    fault="SBC loses its power", calls=140, lost=0, refused=4, window="8 s", delay_ms=228,
    takeover="its replacement",
)  # fmt: skip


def test_findings_are_read_as_they_were_written(tmp_path: Path) -> None:
    path = tmp_path / "new" / "faults.json"
    assert faults.read(path) == []
    faults.write(path, [FINDING])
    assert faults.read(path) == [FINDING]


def test_a_run_of_some_tests_keeps_the_rows_of_the_others(tmp_path: Path) -> None:
    path = tmp_path / "faults.json"
    other = FINDING.model_copy(update={"fault": "router hangs"})
    faults.write(path, [FINDING, other])
    again = FINDING.model_copy(update={"lost": 3})
    faults.record(path, [again])
    assert faults.read(path) == [again, other]


def test_table_shows_what_was_lost_and_what_was_refused() -> None:
    *_, row = faults.markdown([FINDING])
    assert row == "| SBC loses its power | 140 | 0 | 4: 8 s | 228 ms | its replacement |"
    assert len({line.index("lost") for line in faults.aligned([FINDING])[:1]}) == 1


def test_malformed_findings_are_named(tmp_path: Path) -> None:
    path = tmp_path / "faults.json"
    path.write_text('[{"fault": "x"}]')
    with pytest.raises(CommandError, match=r"faults\.json: 0\.calls: Field required") as caught:
        faults.read(path)
    assert caught.value.status == BAD_INPUT
