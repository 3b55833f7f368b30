"""What fault tests measured, on its way from the process of a test to the end of the run."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from docs_gen import faults
from settings.load import ROOT

PROPERTY = "finding"
RECORD = os.environ.get("C4_E2E_RECORD") == "1"  # the findings are for the documentation
LOGS = Path(os.environ.get("C4_E2E_LOGS", ROOT / ".e2e-logs"))


def reporter(
    record_property: Callable[[str, object], None],
) -> Callable[[faults.Finding], None]:
    """Puts findings into a test's report, which reaches the process that prints the summary."""
    return lambda finding: record_property(PROPERTY, finding.model_dump(mode="json"))


def summarize(terminal: pytest.TerminalReporter) -> None:
    """Print the findings of all tests, and write them down."""
    found = [
        faults.Finding.model_validate(value)
        for report in (*terminal.getreports("passed"), *terminal.getreports("failed"))
        if report.when == "call"
        for name, value in report.user_properties
        if name == PROPERTY
    ]
    if not found:
        return
    path = ROOT / faults.RESULTS if RECORD else LOGS / faults.RESULTS.name
    faults.record(path, found)
    terminal.section(f"calls during faults ({path})")
    for row in faults.aligned(found):
        terminal.write_line(row)
