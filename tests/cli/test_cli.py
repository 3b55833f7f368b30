"""Does the command tell users what is wrong, with the right exit status and no traceback?"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from cli import app, interrupt
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


def test_kill_reaches_terraform_too(tmp_path: Path) -> None:
    """A program called terraform, started by the command, is asked to stop."""
    program = tmp_path / "terraform"
    program.symlink_to("/bin/sleep")
    script = (
        "import subprocess, sys, time\n"
        "from pathlib import Path\n"
        "from cli import interrupt\n"
        "interrupt.install()\n"
        f"child = subprocess.Popen([{str(program)!r}, '600'])\n"
        "name = Path(f'/proc/{child.pid}/comm')\n"
        "while name.read_text() != 'terraform\\n':\n"  # the kernel names it late
        "    time.sleep(0.01)\n"
        "try:\n"
        "    print('ready', flush=True)\n"
        "    child.wait()\n"
        "except interrupt.Interrupted:\n"
        "    sys.exit(-child.wait())\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"

    process.send_signal(signal.SIGTERM)

    assert process.wait(100) == signal.SIGINT
