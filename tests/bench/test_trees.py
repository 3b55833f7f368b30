"""Does a comparison say what is wrong with its arguments, and leave nothing behind?"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench import kamailio, trees
from bench.compare import Side, served
from cli import interrupt
from host.command_error import BAD_INPUT, INTERRUPTED, CommandError
from host.errors import HostError
from host.run import run

TREE = 'import sys\nprint(\'{"target": ""}\', flush=True)\nsys.stdin.read()\n'


@pytest.fixture
def _as_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(interrupt, "install", lambda: None)


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with one commit and a file, in place of ours."""
    git = ["git", "-C", str(tmp_path), "-c", "user.name=x", "-c", "user.email=x@example.com"]
    run(["git", "init", "-q", tmp_path])
    (tmp_path / "file").write_text("old")
    run([*git, "add", "file"])
    run([*git, "commit", "-q", "-m", "first"])
    monkeypatch.setattr(trees, "ROOT", tmp_path)
    return tmp_path


@pytest.mark.usefixtures("_as_root")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--against", "no-such-revision"], "'no-such-revision' is no revision"),
        (["--against", "--help-me"], "expected one argument"),
        (["--against-root", "/no/such/place"], "/no/such/place is no directory"),
        (["--against-root", "/proc/self/task"], "has no usr/sbin/kamailio"),
        (["--against", "HEAD", "--rounds", "9"], "10 at least"),
        (["--against", "HEAD", "--seconds", "0"], "0 is not positive"),
    ],
)
def test_a_wrong_argument_is_named(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        status: object = kamailio.main(arguments)
    except SystemExit as end:
        status = end.code
    assert status == BAD_INPUT
    assert said in capsys.readouterr().err


def test_without_root_it_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(interrupt, "install", lambda: None)
    with pytest.raises(SystemExit) as end:
        kamailio.main(["--against", "HEAD"])
    assert end.value.code == BAD_INPUT
    assert "needs root" in capsys.readouterr().err


@pytest.mark.lab  # it installs what such tests need
def test_the_command_works_as_it_is_typed() -> None:
    environment = os.environ | {"C4_PYTHON": sys.executable}
    done = subprocess.run(
        [trees.ROOT / "bench/kamailio", "--against", "no-such-revision"],
        cwd="/", env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == BAD_INPUT
    assert "Traceback" not in done.stderr


def test_a_revision_is_checked_out_and_removed_again(repository: Path) -> None:
    commit = trees.commit_of("HEAD")
    (repository / "file").write_text("new")

    with trees.checked_out(commit) as tree:
        assert (tree / "file").read_text() == "old"

    assert not tree.exists()
    assert run(["git", "-C", repository, "worktree", "list"]).stdout.count("\n") == 1


_INTERRUPTED = """
import sys, time
from pathlib import Path
from bench import trees
from cli import interrupt
trees.ROOT = Path(sys.argv[1])
interrupt.install()
try:
    with trees.checked_out(trees.commit_of("HEAD")) as tree:
        print(tree, flush=True)
        time.sleep(60)
except interrupt.Interrupted:
    sys.exit(130)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_leaves_no_tree_behind(
    repository: Path, number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = Path(kamailio.__file__).parents[1]
    monkeypatch.setenv("PYTHONPATH", str(root))
    command = [sys.executable, "-c", _INTERRUPTED, str(repository)]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        tree = Path(process.stdout.readline().strip())
        assert (tree / "file").exists()
        process.send_signal(number)
        assert process.wait(60) == INTERRUPTED
    assert not tree.parent.exists()
    assert run(["git", "-C", repository, "worktree", "list"]).stdout.count("\n") == 1


def test_a_tree_without_a_plane_is_too_old(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="v0 is too old to be compared") as error:
        _ = Side("v0", tmp_path, ()).server
    assert error.value.status == BAD_INPUT


@pytest.mark.parametrize(
    ("sign", "server"),
    [
        ("bench/plane_server.py", "bench/plane_server.py"),
        ("testbed/sip/plane.py", "bench/plane_server.py"),
        ("bench/bare.py", "bench/plane_server_0_1.py"),
    ],
)
def test_each_tree_is_served_by_what_knows_its_names(
    tmp_path: Path, sign: str, server: str
) -> None:
    (tmp_path / sign).parent.mkdir(parents=True)
    (tmp_path / sign).touch()
    own = tmp_path if sign == server else Path(kamailio.__file__).parents[1]
    assert Side("a tree", tmp_path, ()).server == own / server


def _tree(directory: Path, server: str) -> Side:
    (directory / "bench").mkdir()
    (directory / "bench/plane_server.py").write_text(server)
    return Side("a tree", directory, (Path("/layer"),))


def test_a_plane_ends_with_its_round(tmp_path: Path) -> None:
    marked = TREE + f"open({str(tmp_path / 'ended')!r}, 'w')\n"
    with served(_tree(tmp_path, marked)) as plane:
        assert plane == {"target": ""}
        assert not (tmp_path / "ended").exists()
    assert (tmp_path / "ended").exists()


def test_a_plane_that_does_not_start_is_an_error_with_its_last_words(tmp_path: Path) -> None:
    side = _tree(tmp_path, "import time\nraise SystemExit('kamailio: bad config')\n")
    said = "a tree: its SIP plane did not start:\nkamailio: bad"
    with pytest.raises(HostError, match=said), served(side):
        pass


def test_an_interrupted_round_ends_the_plane_at_once(tmp_path: Path) -> None:
    side = _tree(tmp_path, TREE)
    began = time.monotonic()
    with pytest.raises(interrupt.Interrupted), served(side):
        raise interrupt.Interrupted
    assert time.monotonic() - began < 60
