"""Shared by all tests: the lazy AWS provider before anything else, and who may run what."""

from __future__ import annotations

import os
import shutil

import pytest

from c4 import lazy

lazy.install()  # before any test imports cdktf

PROGRAMS = {"sip": "sipp", "e2e": "sipp"}
NEED_ROOT = {"lab", "e2e"}


def _obstacle(marker: str) -> str:
    """Why tests with a marker cannot run here; empty when they can."""
    if marker in NEED_ROOT and os.geteuid() != 0:
        return "needs root"
    program = PROGRAMS.get(marker)
    if program and shutil.which(program) is None:
        return f"needs {program}: scripts/bootstrap tests"
    return ""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what this machine cannot run; in CI nothing may be skipped for that reason."""
    in_ci = os.environ.get("CI") == "true"
    for item in items:
        for marker in sorted(NEED_ROOT | set(PROGRAMS)):
            if item.get_closest_marker(marker) and (obstacle := _obstacle(marker)):
                if in_ci:
                    pytest.exit(f"{item.nodeid}: {obstacle}", returncode=2)
                item.add_marker(pytest.mark.skip(reason=obstacle))
