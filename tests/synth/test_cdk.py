"""Both CDKs: the default and its fork write the same, and a choice that cannot be is explained."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from c4 import cdk
from settings.load import ROOT
from testbed.synthesized import Synthesized, run_app

OTHER = next(name for name in cdk.KNOWN if name != cdk.chosen().name)
# Run in processes of their own: what a CDK loads is loaded for good.
BOTH_NAMES = """\
import sys
from c4 import cdk
cdk.install()
import cdktf, cdktf_cdktf_provider_aws
from cdktf_cdktf_provider_aws.vpc import Vpc
cdk.install()
import cdktn, cdktn_provider_aws.vpc
assert cdktf is cdktn
assert cdktf_cdktf_provider_aws is cdktn_provider_aws
assert cdktf_cdktf_provider_aws.vpc.Vpc is cdktn_provider_aws.vpc.Vpc is Vpc
assert Vpc.__module__ == cdktn_provider_aws.vpc.__spec__.name == "cdktn_provider_aws.vpc"
"""
WITHOUT_THE_FORK = """\
import importlib.util, runpy
find = importlib.util.find_spec
importlib.util.find_spec = lambda name: None if name.startswith("cdktn") else find(name)
runpy.run_path("main.py", run_name="__main__")
"""


def _written(folder: Path) -> dict[str, Any]:
    """Everything that a CDK has written, but for what it says of itself."""
    found: dict[str, Any] = {}
    for path in sorted(folder.rglob("*.json")):
        document = json.loads(path.read_text(encoding="utf-8"))
        del document["version" if path.name == "manifest.json" else "//"]
        found[str(path.relative_to(folder))] = document
    return found


@pytest.mark.slow
def test_both_write_the_same(
    synthesized: Synthesized, deployment_name: str, synthesized_by: Callable[[str, str], Path]
) -> None:
    """The files are parsed, so that the spelling of empty containers does not count."""
    ours = _written(synthesized.folder)
    assert {"manifest.json", "stacks/acme/cdk.tf.json"} <= set(ours)
    assert _written(synthesized_by(OTHER, deployment_name) / "out") == ours


def test_every_example_is_compared(deployment_names: tuple[str, ...]) -> None:
    listed = subprocess.run(
        ["git", "ls-files", "deployments/*.yaml"], cwd=ROOT, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    assert {Path(name).stem for name in listed.stdout.split()} == set(deployment_names)


@pytest.mark.slow
@pytest.mark.parametrize("name", cdk.KNOWN)
def test_the_chosen_one_is_what_writes(
    name: str, synthesized_by: Callable[[str, str], Path]
) -> None:
    manifest = json.loads((synthesized_by(name, "demo") / "out/manifest.json").read_text())
    assert manifest["version"] == version(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", cdk.KNOWN)
def test_node_loads_the_services_that_are_used_and_no_others(
    name: str, synthesized_by: Callable[[str, str], Path]
) -> None:
    """The ordinary import loads 2200 services, most of them in several files."""
    assert 40 < int((synthesized_by(name, "demo") / "node-modules").read_text()) < 300


@pytest.mark.slow
def test_with_the_fork_both_names_are_one_package(tmp_path: Path) -> None:
    run_app(tmp_path, "-c", BOTH_NAMES, C4_CDK="cdktn")


def test_an_unknown_one_ends_with_status_2_and_says_what_is_allowed(tmp_path: Path) -> None:
    done = run_app(tmp_path / "out", check=False, C4_CDK="cdk")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "C4_CDK=cdk: unknown; allowed are cdktf, cdktn\n"
    assert not (tmp_path / "out").exists()


def test_one_that_is_not_installed_says_how_to_get_it(tmp_path: Path) -> None:
    done = run_app(tmp_path / "out", "-c", WITHOUT_THE_FORK, check=False, C4_CDK="cdktn")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "C4_CDK=cdktn: not installed: cdktn, cdktn_provider_aws; run `make setup`\n"
    )


def test_without_a_choice_it_is_cdktf(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(cdk.VARIABLE, "")
    assert cdk.chosen().name == "cdktf"
    monkeypatch.delenv(cdk.VARIABLE)
    assert cdk.chosen().name == "cdktf"
