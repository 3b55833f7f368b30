"""Shared by all tests: the CDK before anything else; who may run what, and when."""

from __future__ import annotations

import os
import shutil
import sys

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from c4 import cdk
from cli.version import in_a_line, in_image, project_version, revision, tools
from host import abilities
from host.errors import HostError
from image import layers
from testbed import findings, scheduling

try:
    cdk.install()  # before any test imports cdktf
except cdk.CdkError as error:
    pytest.exit(str(error), returncode=2)

PROGRAMS = {"sip": "sipp", "e2e": "sipp"}
NEED_MACHINES = ("lab", "sip", "e2e")  # root, namespaces, and the machine image


def pytest_report_header() -> list[str]:
    """What is tested, and with what; the image's versions follow when a test needs the image."""
    ours = f"wazo-c4-aws {project_version()} ({revision() or 'no git revision'})"
    try:
        variant = f"SIP packages of the machine image: {layers.sip_packages()} ({layers.VARIABLE})"
    except HostError as error:
        raise pytest.UsageError(str(error)) from None
    return [ours, f"with {in_a_line(tools())}", variant]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    config.option.loadscopereorder = False  # the order of `pytest_collection_modifyitems`
    return scheduling.Scheduling(config, log)


def _obstacle(marker: str) -> str:
    """Why tests with a marker cannot run here; empty when they can."""
    if marker in NEED_MACHINES and (reasons := abilities.missing()):
        return f"no machine can boot here: {'; '.join(reasons)}"
    program = PROGRAMS.get(marker)
    if program and shutil.which(program) is None:
        return f"needs {program}: scripts/bootstrap tests"
    return ""


def pytest_collection_modifyitems(session: pytest.Session, items: list[pytest.Item]) -> None:
    """Order the tests; skip what this machine cannot run. In CI that ends the run instead."""
    in_ci = os.environ.get("CI") == "true"
    items.sort(key=_turn if _is_worker(session.config) else _cheap_first)
    for item in items:
        for marker in NEED_MACHINES:
            if item.get_closest_marker(marker) and (obstacle := _obstacle(marker)):
                if in_ci:
                    session.shouldstop = reason = f"{item.nodeid}: {obstacle}"
                    pytest.exit(reason, returncode=4)
                item.add_marker(pytest.mark.skip(reason=obstacle))


def _turn(item: pytest.Item) -> tuple[int, bool]:
    """Side by side, the longest begin first; what is marked `last` comes last of its place."""
    return scheduling.turn(item.nodeid), _is_last(item)


def _cheap_first(item: pytest.Item) -> tuple[bool, bool]:
    """In one process, end-to-end tests come last, and what is marked `last` after all."""
    return item.get_closest_marker("e2e") is not None, _is_last(item)


def _is_last(item: pytest.Item) -> bool:
    return item.get_closest_marker("last") is not None


def _is_worker(config: pytest.Config) -> bool:
    return hasattr(config, "workerinput")


def pytest_collection_finish(session: pytest.Session) -> None:
    """Build the machine image when a chosen test needs it, so that none is skipped for its lack.

    Of several processes the first builds it, and none begins before.
    """
    wanted = any(
        item.get_closest_marker(marker) for item in session.items for marker in NEED_MACHINES
    )
    if not wanted or abilities.missing() or session.config.option.collectonly:
        return
    if _is_worker(session.config) and os.environ["PYTEST_XDIST_WORKER"] != "gw0":
        return
    capture = session.config.pluginmanager.get_plugin("capturemanager")

    def say(message: str) -> None:
        assert capture is not None
        with capture.global_and_fixture_disabled():
            print(f"machine image: {message}", file=sys.stderr)

    image = layers.build(say)
    if versions := in_image(image.instance):
        say(in_a_line(versions))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what the fault tests have measured, and write it down."""
    findings.summarize(terminalreporter)
