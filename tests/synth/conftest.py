"""Fixtures of the synth tests: synthesized deployments, and snapshots of them."""

from __future__ import annotations

import difflib
import functools
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from settings import Deployment, load
from testbed.synthesized import Synthesized, run_app, synthesize

SNAPSHOTS = Path(__file__).parent / "snapshots"
DEPLOYMENTS = ("demo", "production.example")
# jsii starts two processes of Node, of which one loads the bindings.
COUNT_MODULES = """\
process.on('exit', () => {
  const bindings = /[\\\\/]provider-aws[\\\\/]lib[\\\\/]/;
  const loaded = Object.keys(require.cache).filter((file) => bindings.test(file)).length;
  if (loaded) require('fs').writeFileSync(%s, String(loaded));
});
"""


@pytest.fixture(scope="session")
def demo_settings() -> Deployment:
    return load("demo")


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory, demo_settings: Deployment) -> Synthesized:
    return synthesize(demo_settings, tmp_path_factory.mktemp("demo"))


@pytest.fixture(scope="session")
def production(tmp_path_factory: pytest.TempPathFactory) -> Synthesized:
    return synthesize(load("production.example"), tmp_path_factory.mktemp("production"))


@pytest.fixture(scope="session")
def deployment_names() -> tuple[str, ...]:
    """Every deployment that `synthesized` stands for."""
    return DEPLOYMENTS


@pytest.fixture(scope="session", params=DEPLOYMENTS)
def deployment_name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="session")
def synthesized(deployment_name: str, demo: Synthesized, production: Synthesized) -> Synthesized:
    """Every deployment in turn."""
    return {"demo": demo, "production.example": production}[deployment_name]


@pytest.fixture(scope="session")
def synthesized_by(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Path]:
    """Folder of what `main.py` writes with the CDK of a name, for the deployment of a name.

    It runs in a process of its own, once for each pair. `node-modules` in that folder counts the
    files of the AWS provider's bindings that Node has loaded.
    """

    @functools.cache
    def synthesize_by(name: str, deployment: str) -> Path:
        folder = tmp_path_factory.mktemp(f"{name}-{deployment}")
        watch, loaded = folder / "watch.cjs", folder / "node-modules"
        watch.write_text(COUNT_MODULES % json.dumps(str(loaded)))
        run_app(
            folder / "out",
            C4_CDK=name,
            C4_DEPLOYMENT=deployment,
            NODE_OPTIONS=f'--require "{watch}"',
        )
        return folder

    return synthesize_by


@pytest.fixture(scope="session")
def snapshots() -> Path:
    """Folder of the accepted stacks, one folder per deployment in it."""
    return SNAPSHOTS


@pytest.fixture
def matches_snapshot(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Compare a text with `snapshots/<name>`; `pytest --snapshot-update` writes it."""
    update = bool(request.config.getoption("update_snapshots"))

    def check(name: str, text: str) -> None:
        path = SNAPSHOTS / name
        if update:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            return
        expected = path.read_text(encoding="utf-8") if path.exists() else ""
        diff = "\n".join(
            difflib.unified_diff(
                expected.splitlines(), text.splitlines(), str(path), "synthesized", lineterm=""
            )
        )
        if diff:
            pytest.fail(f"differs from its snapshot (make snapshots):\n{diff}", pytrace=False)

    return check
