"""The lazy provider: the same output as the ordinary one, for a fraction of the CPU."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from c4 import lazy_provider
from settings.load import ROOT

EAGER = """\
import sys
sys.dont_write_bytecode = False  # or each run compiles 2212 modules
from c4 import lazy_provider
lazy_provider.install = lambda: None
import main
sys.exit(main.main())
"""
GAIN = 4.0  # how many times the CPU of the lazy one the ordinary one needs, at least


def _synth(outdir: Path, *arguments: str, deployment: str = "demo", seed: str = "0") -> None:
    environment = {
        **{k: v for k, v in os.environ.items() if k != "NODE_OPTIONS"},  # set by our conftest
        "C4_DEPLOYMENT": deployment,
        "CDKTF_OUTDIR": str(outdir),
        "PYTHONHASHSEED": seed,
        "PYTHONPATH": f"{ROOT}:{ROOT / 'constructs'}",
    }
    subprocess.run([sys.executable, *arguments], cwd=ROOT, env=environment, check=True, timeout=800)


def _files(outdir: Path) -> dict[str, bytes]:
    paths = sorted(path for path in outdir.rglob("*") if path.is_file())
    return {str(path.relative_to(outdir)): path.read_bytes() for path in paths}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_lazy_and_eager_output_are_identical(tmp_path: Path) -> None:
    _synth(tmp_path / "lazy", "main.py", deployment="production.example")
    _synth(tmp_path / "eager", "-c", EAGER, deployment="production.example")
    lazily = _files(tmp_path / "lazy")
    assert "stacks/globex/cdk.tf.json" in lazily
    assert lazily == _files(tmp_path / "eager")


@pytest.mark.slow
def test_synth_is_deterministic(tmp_path: Path) -> None:
    _synth(tmp_path / "first", "main.py", seed="1")
    _synth(tmp_path / "second", "main.py", seed="2")
    assert _files(tmp_path / "first") == _files(tmp_path / "second")


@pytest.mark.slow
def test_the_command_of_cdktf_json_synthesizes(tmp_path: Path) -> None:
    command = json.loads((ROOT / "cdktf.json").read_text())["app"]
    environment = {
        **{k: v for k, v in os.environ.items() if k not in ("NODE_OPTIONS", "PYTHONPATH")},
        "C4_DEPLOYMENT": "demo",
        "C4_VENV": sys.prefix,
        "CDKTF_OUTDIR": str(tmp_path / "cdktf.out"),
    }
    subprocess.run(command, shell=True, cwd=ROOT, env=environment, check=True, timeout=600)
    manifest = json.loads((tmp_path / "cdktf.out/manifest.json").read_text())
    assert set(manifest["stacks"]) == {"network", "image", "consul", "acme"}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_synth_of_the_demo_is_quick(tmp_path: Path) -> None:
    """Beside the ordinary one on the same machine; `bench/synth.py` tells the seconds."""

    def cpu_s(*arguments: str) -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        _synth(tmp_path / "out", *arguments)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime

    lazily = min(cpu_s("main.py") for _ in range(3))  # the first run fills the caches
    eagerly = cpu_s("-c", EAGER)  # filled by the test above
    assert eagerly / lazily >= GAIN, f"{eagerly:.1f} and {lazily:.1f} s of CPU"


def test_only_used_services_are_imported() -> None:
    services = [name for name in sys.modules if name.startswith(f"{lazy_provider.PROVIDER}.")]
    assert 0 < len(services) < 150


def test_install_is_idempotent() -> None:
    package = sys.modules[lazy_provider.PROVIDER]
    lazy_provider.install()
    assert sys.modules[lazy_provider.PROVIDER] is package
    assert os.environ["NODE_OPTIONS"].count(str(lazy_provider.NODE_HOOK)) == 1


def test_services_are_attributes_and_unknown_ones_are_errors() -> None:
    package = sys.modules[lazy_provider.PROVIDER]
    assert package.sns_topic.SnsTopic
    with pytest.raises(AttributeError, match="no service 'sns_topicc'"):
        _ = package.sns_topicc


def test_too_late_an_install_says_so() -> None:
    code = "import cdktf; from c4 import lazy_provider; lazy_provider.install()"
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "constructs")}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode != 0
    assert "must run before cdktf" in done.stderr
