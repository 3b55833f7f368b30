"""Does `c4-agent` say what is wrong in one line, and start quickly where it must?"""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from common import paths
from settings.load import ROOT


def _agent(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "agent", *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=100,
        check=False,
    )


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (
            ["apply", "nothing"],
            "list 'nothing' is unknown; the lists are draining-routers, dispatcher.list",
        ),
        (["boot"], f"{paths.CONFIG}: cannot be read"),
        (["run"], f"{paths.CONFIG}: cannot be read"),
        (["maintenance", "on"], f"{paths.CONFIG}: cannot be read"),
        (["version"], f"{paths.VERSIONS}: cannot be read"),
    ],
)
def test_an_error_is_one_line_for_the_journal(arguments: list[str], problem: str) -> None:
    done = _agent(*arguments)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("<3>")  # the priority that journald shows
    assert problem in json.loads(line.removeprefix("<3>"))["error"]


@pytest.mark.parametrize("arguments", [[], ["fly"], ["maintenance", "maybe"], ["apply"]])
def test_a_misused_command_is_explained(arguments: list[str]) -> None:
    done = _agent(*arguments)
    assert done.returncode == 2
    assert "usage: c4-agent" in done.stderr
    assert "Traceback" not in done.stderr


def test_applying_a_list_imports_nothing_heavy() -> None:
    """consul-template runs it on every change: 50 ms with what it needs, 400 ms with these."""
    script = (
        "import sys; from agent.cli import main; main(['apply', 'nothing']);"
        "print([m for m in ('pydantic', 'boto3', 'requests', 'typer') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert done.stdout.strip() == "[]"
