"""Does the command tell users what is wrong, with the right exit status and no traceback?"""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

import settings
from cli import app, interrupt
from demo import without_machines
from host import abilities
from settings.load import ROOT


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    returncode: object
    stdout: str
    stderr: str


Run = Callable[..., Done]


@pytest.fixture
def c4(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the command in this process: starting one costs a second."""
    monkeypatch.setattr(interrupt, "install", lambda: None)

    def run(*arguments: str) -> Done:
        monkeypatch.setattr(sys, "argv", ["c4", *arguments])
        with pytest.raises(SystemExit) as end:
            app.main()
        return Done(end.value.code, *capsys.readouterr())

    return run


def test_good_settings(c4: Run) -> None:
    done = c4("settings", "check", "demo")

    assert done.returncode == 0, done.stderr
    assert "demo: valid" in done.stdout


def test_every_problem_of_a_settings_file_is_named_at_once(c4: Run, tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(
        "deployment: bad\nregion: eu-central-1\nzones: [eu-central-1a, eu-central-1b]\n"
        "consul: {servers: 4}\ncolour: blue\n"
    )

    done = c4("settings", "check", str(path))

    assert done.returncode == 2
    assert "consul.servers: 4" in done.stderr
    assert "colour: unknown key" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["demo", "status", "--lab", "No-Good"], "not allowed"),
        (["demo", "exec"], "Missing argument"),
        (["nonsense"], "No such command"),
        (["demo", "exec", "router", "--timeout", "0", "--", "true"], "--timeout"),
    ],
)
def test_bad_input_ends_with_status_2_and_no_traceback(
    c4: Run, arguments: list[str], message: str
) -> None:
    done = c4(*arguments)

    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_unknown_deployment_is_bad_input(c4: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("C4_DEPLOYMENT", "nowhere")

    done = c4("settings", "check")

    assert done.returncode == 2
    assert "deployments/nowhere.yaml" in done.stderr


def test_a_signal_ends_terraform_once_and_the_next_ones_wait_for_it(tmp_path: Path) -> None:
    """As when somebody presses Ctrl-C again: a second SIGINT would make Terraform give up."""
    log = tmp_path / "log"
    terraform = "trap 'echo stopping; n=$((n+1))' INT; n=0; echo ready; "
    terraform += "while [ $n = 0 ]; do sleep 0.1; done; sleep 1; echo $n signals"
    script = (
        "import sys\n"
        "from pathlib import Path\n"
        "from cli import interrupt\n"
        "from lab.terraform.runner import Program\n"
        "interrupt.install()\n"
        f"program = Program(['sh', '-c', {terraform!r}], Path('/'), {{}}, Path({str(log)!r}))\n"
        "try:\n"
        "    for line in program.lines():\n"
        "        print(line, end='', flush=True)\n"
        "except interrupt.Interrupted:\n"
        "    print('interrupted', flush=True)\n"
        "    program.wait()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, start_new_session=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"

    os.killpg(process.pid, signal.SIGINT)
    assert process.stdout.readline() == "interrupted\n"
    os.killpg(process.pid, signal.SIGINT)
    process.send_signal(signal.SIGHUP)

    _, errors = process.communicate(timeout=100)
    assert process.returncode == 0, errors
    assert "ending already" in errors
    assert log.read_text() == "ready\nstopping\n1 signals\n"


def test_terraform_goes_on_when_the_command_is_killed(tmp_path: Path) -> None:
    """It writes its state; stopping it would cancel requests that may have been carried out."""
    log = tmp_path / "log"
    go_on = tmp_path / "go-on"
    terraform = f"echo ready; until test -e {go_on}; do sleep 0.1; done; echo complete"
    script = (
        "from pathlib import Path\n"
        "from lab.terraform.runner import Program\n"
        f"program = Program(['sh', '-c', {terraform!r}], Path('/'), {{}}, Path({str(log)!r}))\n"
        "program.wait()\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT)
    _until(lambda: log.exists() and log.read_text() == "ready\n")

    process.kill()
    process.wait()
    go_on.touch()

    _until(lambda: log.read_text() == "ready\ncomplete\n")


def _until(check: Callable[[], bool]) -> None:
    end = time.monotonic() + 100
    while not check():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_file_of_another_user_is_a_sentence(
    c4: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "demo" / "daemon.json"

    def refuse(_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(file))

    monkeypatch.setattr(settings, "load", refuse)

    done = c4("settings", "check", "demo")

    assert done.returncode == 2
    assert f"{file}: Permission denied" in done.stderr
    assert f"{tmp_path} belongs to {tmp_path.owner()}" in done.stderr
    assert "Traceback" not in done.stderr


def test_local_cloud_is_for_root_only(c4: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)

    done = c4("demo", "status")

    assert done.returncode == 2
    assert "the local cloud belongs to root" in done.stderr


@pytest.mark.parametrize("command", [["demo", "up"], ["demo", "up", "--no-machines"]])
def test_demo_without_machines_is_chosen(
    c4: Run, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    chosen: list[object] = []
    monkeypatch.setattr(abilities, "missing", lambda: ("you are not root",))
    monkeypatch.setattr(without_machines, "up", lambda *arguments: chosen.append(arguments))

    assert c4(*command).returncode == 0
    assert len(chosen) == 1
