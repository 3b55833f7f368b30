"""One deployment on a local cloud, shared by all end-to-end tests (C4_E2E_LAB names it: `test`).

It is brought up once, every test finds it healthy, and it is removed at the end. When a test
fails, the machines' journals are saved and the folder's name is printed. What the fault tests
measured is printed at the end, and written to `faults.json` (C4_E2E_RECORD=1: to `docs/`), where
it replaces rows of the same title only.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from rich.console import Console

import settings
from demo.calls import Exchange
from demo.cluster import LocalDeployment
from demo.deploy import deploy
from demo.internet import Internet
from demo.router_confd import provision
from docs_gen import faults
from host.progress import Board
from lab.api import Lab
from settings.load import deployment_path
from testbed import findings
from testbed.deployment.world import LAB, World
from testbed.findings import LOGS

KEEP = os.environ.get("C4_E2E_KEEP") == "1"  # leave the deployment running for the next run


@pytest.fixture(scope="session")
def deployed() -> Iterator[World]:
    """The demo deployment, all checks passing, routing data in place."""
    chosen = settings.load("demo")
    lab = Lab(name=LAB)
    if not KEEP:
        lab.down()  # what an interrupted run may have left
    cluster = LocalDeployment(lab, chosen)
    tenant = chosen.tenants[0]
    console = Console(stderr=True, force_terminal=False)
    try:
        with (
            Board(console, LOGS / "deploy.log") as board,
            ThreadPoolExecutor(thread_name_prefix="apply") as pool,
        ):
            # Terraform goes on with its own waits while the first tests run
            deploying = deploy(board, pool, lab, chosen, deployment_path("demo"))
            with board.step("Consul checks") as step:
                cluster.wait_healthy(step.say, check=deploying.check)
            internet = Internet.of(lab)
            with board.step("routing data") as step:
                step.say(provision(cluster, tenant))
            with Exchange(cluster, tenant, internet, LOGS / "calls") as exchange:
                yield World(cluster, tenant, internet, exchange, deploying)
        deploying.check()
    except Exception:
        save_logs(cluster, "deployment")
        raise
    finally:
        if not KEEP:
            lab.down()


@pytest.fixture
def world(deployed: World) -> World:
    """The deployment, after whatever the last test did to it has healed."""
    deployed.cluster.wait_healthy(lambda _: None, timeout=120, check=lambda: None)
    return deployed


@pytest.fixture
def report(
    record_property: Callable[[str, object], None],
) -> Callable[[faults.Finding], None]:
    """Takes what a fault test measured, before the test judges it."""
    return findings.reporter(record_property)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Save the journals of all machines when a test fails, and say where they are."""
    report = yield
    world = getattr(item, "funcargs", {}).get("deployed")
    if report.failed and report.when == "call" and isinstance(world, World):
        folder = save_logs(world.cluster, item.name)
        report.sections.append(("machines", f"journals of all machines: {folder}"))
    return report


def save_logs(cluster: LocalDeployment, name: str) -> Path:
    """Journals of all machines, and what Consul says; returns the folder."""
    folder = LOGS / f"{time.strftime('%H%M%S')}-{name}"
    folder.mkdir(parents=True, exist_ok=True)
    if not cluster.lab.running:
        return folder
    for machine in cluster.lab.machines():
        for title, command in {
            "journal": ["journalctl", "--no-pager", "-b"],
            "sockets": ["ss", "-tulpn"],
        }.items():
            path = folder / f"{machine.role}-{machine.instance_id}.{title}"
            try:
                done = cluster.lab.exec(machine, command, timeout=20)
                path.write_text(done.stdout + done.stderr, encoding="utf-8")
            except Exception as error:  # a dying machine must not hide the test's own failure
                path.write_text(f"{error}\n", encoding="utf-8")
    (folder / "consul").write_text(f"{cluster.health().summary}\n", encoding="utf-8")
    return folder
