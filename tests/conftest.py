"""Shared by all tests: the lazy AWS provider before anything else, and who may run what."""

from __future__ import annotations

import os
import shutil

import pytest

from c4 import lazy_provider
from c4.lazy_provider import environment
from image import layers

environment.prepare()
lazy_provider.install()  # before any test imports cdktf

PROGRAMS = {"sip": "sipp", "e2e": "sipp"}
NEED_ROOT = {"lab", "e2e"}
NEED_IMAGE = ("lab", "sip", "e2e")


def _obstacle(marker: str) -> str:
    """Why tests with a marker cannot run here; empty when they can."""
    if marker in NEED_ROOT and os.geteuid() != 0:
        return "needs root"
    program = PROGRAMS.get(marker)
    if program and shutil.which(program) is None:
        return f"needs {program}: scripts/bootstrap tests"
    return ""


def _place(item: pytest.Item) -> tuple[bool, bool]:
    """Key of the order of tests; those with the same key stay as they were collected."""
    return item.get_closest_marker("e2e") is not None, item.get_closest_marker("last") is not None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """End-to-end tests last, and what is marked `last` after all; skip what cannot run here.

    In CI that ends the run instead.
    """
    in_ci = os.environ.get("CI") == "true"
    items.sort(key=_place)
    for item in items:
        for marker in sorted(NEED_ROOT | set(PROGRAMS)):
            if item.get_closest_marker(marker) and (obstacle := _obstacle(marker)):
                if in_ci:
                    pytest.exit(f"{item.nodeid}: {obstacle}", returncode=2)
                item.add_marker(pytest.mark.skip(reason=obstacle))


def pytest_collection_finish(session: pytest.Session) -> None:
    """Build the machine image when a chosen test needs it, so that none is skipped for its lack."""
    wanted = any(item.get_closest_marker(marker) for item in session.items for marker in NEED_IMAGE)
    if not wanted or os.geteuid() != 0 or session.config.option.collectonly:
        return
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")

    def say(message: str) -> None:
        if reporter is not None:
            reporter.write_line(f"machine image: {message}")

    layers.build(say)
