"""The AWS provider's version is pinned, and its lock file lies beside every stack."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from c4 import provider
from lab.terraform.provider import toolchain
from settings.load import ROOT
from testbed.synthesized import run_app

REGISTRIES = {"terraform": "registry.terraform.io", "opentofu": "registry.opentofu.org"}
RECORDED = """\
provider "registry.terraform.io/hashicorp/aws" {
  version     = "%s"
  constraints = "%s"
  hashes = [
    "h1:%s=",
  ]
}
"""


def recorded(version: str, hash_: str = "A" * 43) -> str:
    return RECORDED % (version, version, hash_)


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folder of a synthesized stack, and lock files of our own to be placed there."""
    shutil.copytree(provider.LOCKS, tmp_path / "locks")
    monkeypatch.setattr(provider, "LOCKS", tmp_path / "locks")
    monkeypatch.delenv("TERRAFORM_BINARY_NAME", raising=False)
    folder = tmp_path / "out/stacks/acme"
    folder.mkdir(parents=True)
    (folder / "cdk.tf.json").write_text("{}")
    return folder


@pytest.mark.parametrize("program", REGISTRIES)
def test_the_kept_locks_are_for_the_required_version(program: str) -> None:
    text = (provider.LOCKS / f"{program}.lock.hcl").read_text()
    assert f'provider "{REGISTRIES[program]}/{provider.SOURCE}" {{' in text
    assert f'version     = "{provider.VERSION}"' in text
    assert f'constraints = "{provider.VERSION}"' in text


@pytest.mark.parametrize(
    ("program", "name"),
    [(None, "terraform"), ("", "terraform"), ("tofu", "opentofu"), ("/opt/bin/tofu", "opentofu")],
)
def test_the_lock_is_that_of_the_program_that_will_deploy(
    program: str | None, name: str, stack: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if program is not None:
        monkeypatch.setenv("TERRAFORM_BINARY_NAME", program)
    provider.place_locks(stack.parents[1])
    text = (stack / provider.LOCK_FILE).read_text()
    assert text == (provider.LOCKS / f"{name}.lock.hcl").read_text()


def test_recorded_checksums_stay_until_published_ones_are_kept(stack: Path) -> None:
    lock = stack / provider.LOCK_FILE
    lock.write_text(recorded(provider.VERSION))
    provider.place_locks(stack.parents[1])
    assert lock.read_text() == recorded(provider.VERSION)
    kept = recorded(provider.VERSION, "B" * 43)
    (provider.LOCKS / "terraform.lock.hcl").write_text(kept)
    provider.place_locks(stack.parents[1])
    assert lock.read_text() == kept


def test_a_lock_of_another_version_or_program_is_replaced(stack: Path) -> None:
    lock = stack / provider.LOCK_FILE
    other_program = recorded(provider.VERSION).replace("terraform.io", "opentofu.org")
    for old in (recorded("6.25.0"), other_program):
        lock.write_text(old)
        provider.place_locks(stack.parents[1])
        assert lock.read_text() == (provider.LOCKS / "terraform.lock.hcl").read_text()


@pytest.mark.slow
def test_synth_places_a_lock_beside_every_stack(tmp_path: Path) -> None:
    run_app(tmp_path, C4_DEPLOYMENT="demo", TERRAFORM_BINARY_NAME="tofu")
    locks = {p.parent.name: p.read_text() for p in tmp_path.glob(f"stacks/*/{provider.LOCK_FILE}")}
    kept = (provider.LOCKS / "opentofu.lock.hcl").read_text()
    assert locks == dict.fromkeys(("network", "image", "consul", "acme"), kept)


@pytest.mark.slow
@pytest.mark.terraform
@pytest.mark.timeout(900)
def test_terraform_accepts_the_lock_and_refuses_a_package_with_other_checksums(
    tmp_path: Path,
) -> None:
    """With the local build of the provider, whose checksums are not the published ones.

    `make lock-provider` is told to take them from there, as if that were the registry.
    """
    run_app(tmp_path / "out", C4_DEPLOYMENT="demo")
    folder = tmp_path / "out/stacks/network"
    lock = folder / provider.LOCK_FILE
    tools = toolchain(folder, print)
    environment = {**os.environ, **tools.environment, "CHECKPOINT_DISABLE": "1"}

    def run(*command: str | Path, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=ROOT, env=environment | more, capture_output=True, text=True, timeout=600
        )

    def init(*options: str) -> subprocess.CompletedProcess[str]:
        return run(tools.program, f"-chdir={folder}", "init", "-backend=false", *options)

    assert "hashes" not in lock.read_text()
    done = init()
    assert done.returncode == 0, done.stderr
    assert "Reusing previous version" in done.stdout
    by_init = lock.read_text()
    assert "h1:" in by_init

    locks = tmp_path / "locks"
    locks.mkdir()
    mirror = _mirror(Path(tools.environment["TF_CLI_CONFIG_FILE"]))
    platform = next((mirror / "registry.terraform.io" / provider.SOURCE).glob("*/*")).name
    done = run(
        "scripts/lock-provider", f"-fs-mirror={mirror}", f"-platform={platform}",
        C4_PROVIDER_LOCKS=str(locks),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    by_script = (locks / "terraform.lock.hcl").read_text()
    assert [line for line in by_script.splitlines() if "h1:" in line] == [
        line for line in by_init.splitlines() if "h1:" in line
    ]

    lock.write_text(by_script)
    done = init("-lockfile=readonly")
    assert done.returncode == 0, done.stderr
    lock.write_text(recorded(provider.VERSION))
    done = init("-lockfile=readonly")
    assert done.returncode != 0
    assert "checksums" in done.stderr


def _mirror(config: Path) -> Path:
    """The directory that a file of Terraform's settings names."""
    (path,) = (
        line.split('"')[1]
        for line in config.read_text().splitlines()
        if line.strip().startswith("path")
    )
    return Path(path)
