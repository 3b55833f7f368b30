"""Do the commands tell all versions, and does each of them come from its one home?"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from cli import app, interrupt
from cli.version import in_image, newest_image, project_version, revision, tools
from common import paths
from settings.load import ROOT
from testbed.image_root import image_root

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


def _print(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str
) -> str:
    monkeypatch.setattr(interrupt, "install", lambda: None)
    monkeypatch.setattr(sys, "argv", ["c4", "version", *arguments])
    with pytest.raises(SystemExit) as end:
        app.main()
    assert end.value.code == 0
    return capsys.readouterr().out


def _image(cache: Path, name: str, **versions: str) -> Path:
    """The topmost layer of an image in the cache."""
    layer = cache / "c4/image" / name
    manifest = layer / paths.VERSIONS.relative_to("/")
    manifest.parent.mkdir(parents=True)
    manifest.write_text(json.dumps(versions))
    return layer


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path


def test_programs_can_read_every_version(
    cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _image(cache, "app-0", kamailio="6.0.1", debian="13.2")

    found = json.loads(_print(monkeypatch, capsys, "--json"))

    assert found["version"] == project_version()
    assert found["revision"] == revision()
    assert found["tools"]["moto"] == metadata.version("moto")
    assert found["image"] == {"kamailio": "6.0.1", "debian": "13.2"}


def test_people_can_read_every_version(
    cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _image(cache, "app-0", kamailio="6.0.1")
    printed = _print(monkeypatch, capsys)
    for name, number in (tools() | {"kamailio": "6.0.1"}).items():
        assert re.search(rf"^{name} +{re.escape(number)} *$", printed, re.MULTILINE), name


@pytest.mark.usefixtures("cache")
def test_without_an_image_it_says_how_to_get_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "make demo builds it" in _print(monkeypatch, capsys)


def test_an_image_that_is_being_built_is_none_yet(cache: Path) -> None:
    layer = _image(cache, "app-0", kamailio="6.0.1")
    _image(cache, "app-1.part", kamailio="6.1.5")
    assert newest_image() == [layer]


@pytest.mark.lab
def test_the_image_and_an_instance_tell_the_same_versions() -> None:
    with image_root() as root:
        done = root.run(str(paths.AGENT_PROGRAM), "version")
        listed = in_image([Path(layer) for layer in root.lower.split(":")])
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == listed
    assert listed.keys() >= {
        "debian", "python", "kamailio", "rtpengine", "consul", "consul-template",
        "postgresql-client",
    }  # fmt: skip
    for name, number in listed.items():
        assert re.match(r"\d", number), name


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
