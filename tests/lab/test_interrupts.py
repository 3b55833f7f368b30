"""What a lab does about commands that were interrupted, or that run twice."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from host import netns
from host.errors import HostError
from host.run import run
from lab.api import Lab
from lab.machines import cgroups, hosts
from lab.names import Names
from lab.network.networks import INTERNET_BRIDGE
from lab.terraform import leftovers
from lab.terraform.provider import Toolchain
from lab.terraform.runner import STACK_FILE, Runner, in_cloud
from settings.load import ROOT


@pytest.fixture
def names() -> Iterator[Names]:
    """Of a lab that does not run; what it has in control groups ends with the test."""
    names = Names(f"i{os.getpid()}")
    yield names
    cgroups.kill(cgroups.root() / names.cgroup)


def test_a_second_command_on_a_lab_is_refused_while_the_first_one_lives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("C4_LAB_DIR", str(tmp_path))
    script = (
        "import sys\n"
        "from lab.api import Lab\n"
        "with Lab('mine').exclusive():\n"
        "    print('ready', flush=True)\n"
        "    sys.stdin.read()\n"
    )
    first = subprocess.Popen(
        [sys.executable, "-c", script], cwd=ROOT, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert first.stdout is not None and first.stdout.readline() == "ready\n"
    with pytest.raises(HostError, match=f"process {first.pid}"), Lab("mine").exclusive():
        pass
    with Lab("other").exclusive():
        pass
    first.kill()
    first.communicate()
    with Lab("mine").exclusive():  # nothing is left to remove by hand
        pass


@pytest.mark.lab
def test_programs_of_a_killed_command_end_but_terraform_may_write_its_state(
    names: Names, tmp_path: Path
) -> None:
    terraform = tmp_path / "terraform"  # the kernel calls the process so
    terraform.write_text("#!/bin/sh\nsleep 1\ntouch $0.state\n")
    terraform.chmod(0o755)
    started = [
        subprocess.Popen(cgroups.command_in(command, *names.guests), stdin=subprocess.DEVNULL)
        for command in ([str(terraform)], ["sleep", "600"])
    ]
    while Path(f"/proc/{started[0].pid}/comm").read_text() != "terraform\n":
        time.sleep(0.01)
    said: list[str] = []
    leftovers.end_programs(names, said.append)
    assert (tmp_path / "terraform.state").exists()
    assert "Terraform" in said[0]
    assert [process.wait(60) for process in started] == [0, -9]


@pytest.mark.lab
def test_a_database_whose_creation_was_interrupted_is_kept(names: Names, tmp_path: Path) -> None:
    """Terraform only waited for it, and would make it anew, empty and with another password."""
    program = tmp_path / "program"
    program.write_text(f'#!/bin/sh\necho "$@" >>{tmp_path}/calls\n')
    program.chmod(0o755)
    state = tmp_path / "terraform.demo.acme.tfstate"
    resources = [
        {"mode": "managed", "type": kind, "name": "one", "instances": [{"status": status}]}
        for kind, status in (
            ("aws_db_instance", "tainted"), ("aws_iam_role", "tainted"), ("aws_vpc", None)
        )
    ]  # fmt: skip
    state.write_text(json.dumps({"resources": resources}))
    stack = tmp_path / "acme"
    stack.mkdir()
    backend = {"terraform": {"backend": {"local": {"path": str(state)}}}}
    (stack / STACK_FILE).write_text(json.dumps(backend))
    Runner(tmp_path, in_cloud(names))._adopt(Toolchain(program), stack, print)
    assert (tmp_path / "calls").read_text() == "untaint -no-color aws_db_instance.one\n"


@pytest.mark.lab
def test_half_a_host_is_made_again(names: Names) -> None:
    """A command was killed between two of the steps that make it."""
    netns.create(names.cloud_ns)
    try:
        netns.ip(names.cloud_ns, f"link add {INTERNET_BRIDGE} type bridge")
        for remains in ("route delete default", "link delete eth0"):
            host = hosts.ensure(names, "carrier", "198.51.100.10")
            netns.ip(host.namespace, remains)
            hosts.ensure(names, "carrier", "198.51.100.10")
            shown = run(["ip", "-n", host.namespace, "route", "show", "default"]).stdout
            assert "dev eth0" in shown
    finally:
        for namespace in netns.with_prefix(names.prefix):
            netns.delete(namespace)
