"""Does everything that tells the version take it from `pyproject.toml`?"""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from cli import app, interrupt
from cli.version import project_version
from settings.load import ROOT

# The versions of other packages, and the history of ours: changes and old names.
ELSEWHERE = re.compile(
    r"\.lock$|\.sum$|go\.mod$|^package-lock\.json$|^requirements/|^CHANGELOG\.md$|^docs/(glossary\.md|renamed\.yaml)$"
)


def test_command_prints_the_version(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(interrupt, "install", lambda: None)
    monkeypatch.setattr(sys, "argv", ["c4", "--version"])

    with pytest.raises(SystemExit) as end:
        app.main()

    assert end.value.code == 0
    assert capsys.readouterr().out == f"{project_version()}\n"


def test_changelog_begins_with_the_version() -> None:
    sections = re.findall(r"^## \[(.*?)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)

    assert sections[0] == project_version()


def test_no_other_file_repeats_the_version() -> None:
    number = rf"(?<![\d.]){re.escape(project_version())}(?![\d.])"
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True
    )

    found = {
        name
        for name in listed.stdout.splitlines()
        if not ELSEWHERE.search(name)
        and (ROOT / name).is_file()
        and re.search(number, (ROOT / name).read_bytes().decode(errors="replace"))
    }

    assert found == {"pyproject.toml"}
