"""The lazy provider: the same output as the ordinary one, for a fraction of the CPU."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from c4 import cdk, lazy_provider
from settings.load import ROOT
from testbed.synthesized import files, run_app

EAGER = """\
import sys
sys.dont_write_bytecode = False  # or each run compiles 2212 modules
from c4 import lazy_provider
lazy_provider.install = lambda provider, library: None
import main
sys.exit(main.main())
"""
GAIN = 4.0  # how many times the CPU of the lazy one the ordinary one needs, at least


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", cdk.KNOWN)
def test_lazy_and_eager_output_are_identical(
    name: str, synthesized_by: Callable[[str, str], Path], tmp_path: Path
) -> None:
    lazily = files(synthesized_by(name, "production.example") / "out")
    assert "stacks/globex/cdk.tf.json" in lazily
    run_app(tmp_path, "-c", EAGER, C4_DEPLOYMENT="production.example", C4_CDK=name)
    assert lazily == files(tmp_path)


@pytest.mark.slow
def test_synth_is_deterministic(tmp_path: Path) -> None:
    for seed in ("1", "2"):
        run_app(tmp_path / seed, C4_DEPLOYMENT="demo", PYTHONHASHSEED=seed)
    assert files(tmp_path / "1") == files(tmp_path / "2")


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
        run_app(tmp_path / "out", *arguments, C4_DEPLOYMENT="demo", C4_CDK="cdktf")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime

    lazily = min(cpu_s("main.py") for _ in range(3))  # the first run fills the caches
    eagerly = cpu_s("-c", EAGER)  # filled by the test above
    assert eagerly / lazily >= GAIN, f"{eagerly:.1f} and {lazily:.1f} s of CPU"


def test_only_used_services_are_imported() -> None:
    services = [name for name in sys.modules if name.startswith(f"{cdk.chosen().provider}.")]
    assert 0 < len(services) < 150


def test_install_is_idempotent() -> None:
    package = sys.modules[cdk.chosen().provider]
    cdk.install()
    assert sys.modules[cdk.chosen().provider] is package
    assert os.environ["NODE_OPTIONS"].count(str(lazy_provider.NODE_HOOK)) == 1


def test_services_are_attributes_and_unknown_ones_are_errors() -> None:
    package = sys.modules[cdk.chosen().provider]
    assert package.sns_topic.SnsTopic
    with pytest.raises(AttributeError, match="no service 'sns_topicc'"):
        _ = package.sns_topicc


@pytest.mark.parametrize("name", cdk.KNOWN)
def test_too_late_an_install_says_so(name: str, tmp_path: Path) -> None:
    code = "import cdktf; from c4 import cdk; cdk.install()"
    done = run_app(tmp_path, "-c", code, check=False, C4_CDK=name)
    assert done.returncode != 0
    assert "must run before cdktf" in done.stderr
