"""Fixtures of the rendering tests: every role's user data, and snapshots of files."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from pathlib import Path

import pytest

from common.topology import CONSUL_SERVER, Tier
from rendering import user_data
from rendering.user_data import UserData
from settings import Deployment, load

SNAPSHOTS = Path(__file__).parent / "snapshots"
ROLES = [CONSUL_SERVER, *(tier.value for tier in Tier)]


@pytest.fixture(scope="session")
def deployment() -> Deployment:
    return load("demo")


@pytest.fixture(scope="session", params=ROLES)
def role(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="session")
def rendered(deployment: Deployment, role: str) -> UserData:
    """User data of the role in the demo deployment."""
    if role == CONSUL_SERVER:
        return user_data.for_consul_server(deployment)
    return user_data.for_tier(deployment, deployment.tenants[0], Tier(role))


@pytest.fixture
def matches_snapshot(request: pytest.FixtureRequest) -> Callable[[str, dict[str, str]], None]:
    """Compare texts by path with `snapshots/<role>/<path>`; `--snapshot-update` writes them."""
    update = bool(request.config.getoption("update_snapshots"))

    def check(role: str, files: dict[str, str]) -> None:
        folder = SNAPSHOTS / role
        expected = {
            f"/{path.relative_to(folder)}": path.read_text(encoding="utf-8")
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }
        if update:
            _replace(folder, expected, files)
            return
        diff = "".join(_diff(role, expected, files))
        if diff:
            pytest.fail(f"rendered files differ from the snapshots:\n{diff}", pytrace=False)

    return check


def _replace(folder: Path, old: dict[str, str], new: dict[str, str]) -> None:
    for name in old.keys() - new.keys():
        (folder / name.lstrip("/")).unlink()
    for name, text in new.items():
        path = folder / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def _diff(role: str, expected: dict[str, str], files: dict[str, str]) -> list[str]:
    lines: list[str] = []
    for name in sorted(expected.keys() | files.keys()):
        lines += difflib.unified_diff(
            expected.get(name, "").splitlines(keepends=True),
            files.get(name, "").splitlines(keepends=True),
            f"snapshots/{role}{name}" if name in expected else "/dev/null",
            f"rendered{name}" if name in files else "/dev/null",
        )
    return lines
