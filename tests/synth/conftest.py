"""Fixtures of the synth tests: synthesized deployments, and snapshots of them."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from pathlib import Path

import pytest

from settings import Deployment, load
from testbed.synthesized import Synthesized, synthesize

SNAPSHOTS = Path(__file__).parent / "snapshots"
DEPLOYMENTS = ("demo", "production.example")


@pytest.fixture(scope="session")
def demo_settings() -> Deployment:
    return load("demo")


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory, demo_settings: Deployment) -> Synthesized:
    return synthesize(demo_settings, tmp_path_factory.mktemp("demo"))


@pytest.fixture(scope="session")
def production(tmp_path_factory: pytest.TempPathFactory) -> Synthesized:
    return synthesize(load("production.example"), tmp_path_factory.mktemp("production"))


@pytest.fixture(scope="session", params=DEPLOYMENTS)
def deployment_name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="session")
def synthesized(deployment_name: str, demo: Synthesized, production: Synthesized) -> Synthesized:
    """Every deployment in turn."""
    return {"demo": demo, "production.example": production}[deployment_name]


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
