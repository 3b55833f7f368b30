"""The cdktf command of this repository: the one that npm ships, with less loaded at its start."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from settings.load import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
SHIPPED = ROOT / "node_modules/cdktf-cli/bundle/bin/cdktf"


@pytest.fixture(scope="module")
def command() -> Path:
    """node_modules/.bin/cdktf, installed as the README says."""
    done = subprocess.run(
        ["scripts/bootstrap", "cdktf"], cwd=ROOT, capture_output=True, text=True, timeout=800
    )
    assert done.returncode == 0, done.stderr
    return ROOT / "node_modules/.bin/cdktf"


def cdktf(
    command: Path, *arguments: str, cwd: Path = ROOT, text: str = "", **environment: str
) -> str:
    """What it prints. NODE_OPTIONS is our conftest's, the other one may name a missing file."""
    others = ("NODE_OPTIONS", "TF_CLI_CONFIG_FILE")
    usual = {name: value for name, value in os.environ.items() if name not in others}
    done = subprocess.run(
        [command, *arguments], cwd=cwd, capture_output=True, text=True, timeout=600, input=text,
        env=usual | {"CI": "1", "CHECKPOINT_DISABLE": "1", "C4_DEPLOYMENT": "demo"} | environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_installed_command_is_ours_and_tells_the_version_of_the_cli(command: Path) -> None:
    assert command.resolve() == ROOT / "constructs/c4/lazy_provider/cdktf_command.cjs"
    assert cdktf(command, "--version") == cdktf(SHIPPED, "--version")


def test_synth_writes_what_the_shipped_command_writes(command: Path, tmp_path: Path) -> None:
    written = {}
    for name, program in {"ours": command, "shipped": SHIPPED}.items():
        out = tmp_path / name
        assert "acme, consul, image, network" in cdktf(program, "synth", "--output", str(out))
        files = sorted(path for path in out.rglob("*") if path.is_file())
        written[name] = {str(file.relative_to(out)): file.read_bytes() for file in files}
    assert "stacks/acme/cdk.tf.json" in written["ours"]
    assert written["ours"] == written["shipped"]


def test_what_only_convert_needs_is_loaded_by_convert_alone(command: Path, tmp_path: Path) -> None:
    """The translator of HCL is most of what the CLI loads."""
    watch = tmp_path / "watch.cjs"
    watch.write_text(
        "process.on('exit', () => { if (process.mainModule?.filename.includes('cdktf-cli'))"
        " console.log('LOADED', Object.keys(require.cache).some((f) => f.includes('hcl2cdk'))); });"
    )
    (tmp_path / "cdktf.json").write_text('{"language": "python", "app": "true"}')
    preload = f'--require "{watch}"'
    assert "LOADED false" in cdktf(command, "list", NODE_OPTIONS=preload)
    converted = cdktf(
        command, "convert", "--language", "python",
        cwd=tmp_path, text='output "x" { value = 1 }', NODE_OPTIONS=preload,
    )  # fmt: skip
    assert "LOADED true" in converted
