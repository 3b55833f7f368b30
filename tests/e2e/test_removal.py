"""Does removing the local cloud leave anything behind? It removes the deployment that all share."""

from __future__ import annotations

import subprocess
from concurrent.futures import wait
from pathlib import Path

import pytest

from lab.api import Lab
from testbed.deployment.world import LAB, World

pytestmark = [pytest.mark.e2e, pytest.mark.last, pytest.mark.timeout(900)]


def _namespaces() -> list[str]:
    done = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True)
    return [line for line in done.stdout.splitlines() if line.startswith(f"c4-{LAB}-")]


def _mounts(lab: Lab) -> list[str]:
    mounts = Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()
    return [line for line in mounts if str(lab.names.state) in line or f"c4-{LAB}-" in line]


def _processes(instances: set[str], lab: Lab) -> list[str]:
    """Command lines that name the lab's folder, a namespace or a machine of it."""
    words = {*instances, str(lab.names.state), f"c4-{LAB}-"}
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            text = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if any(word in text for word in words):
            found.append(f"{path.parent.name}: {text}")
    return found


def _cgroups() -> list[Path]:
    return [path for path in Path("/sys/fs/cgroup").rglob(f"*c4-lab-{LAB}*") if path.is_dir()]


def test_removal_leaves_no_namespace_mount_machine_or_process(deployed: World) -> None:
    lab = deployed.lab
    wait(deployed.deploying.futures.values(), timeout=180)
    instances = {machine.instance_id for machine in lab.machines()}
    assert instances and _namespaces() and _processes(instances, lab), "nothing to remove"

    lab.down()

    assert not lab.running
    assert _namespaces() == []
    assert _mounts(lab) == []
    assert _processes(instances, lab) == []
    assert _cgroups() == []
    left = {path.name for path in lab.names.state.glob("*")}
    assert left <= {lab.log_dir.name}, "only logs may stay"
