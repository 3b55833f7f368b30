"""Other revisions of this repository, each in a directory of its own for a while."""

from __future__ import annotations

import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from host.command_error import BAD_INPUT, CommandError
from host.run import run

ROOT = Path(__file__).parents[1]
SIGNALS = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}


def commit_of(revision: str) -> str:
    """Full hash of a revision's commit. Raises `CommandError` when there is none."""
    question = ["rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}"]
    done = _git(*question)
    if done.returncode != 0:
        raise CommandError(
            f"--against: {revision!r} is no revision of the repository in {ROOT}",
            "name a commit, a branch or a tag; a shallow clone has only the newest commits",
            BAD_INPUT,
        )
    return done.stdout.strip()


def _git(*arguments: str, check: bool = False) -> subprocess.CompletedProcess[str]:
    return run(["git", "-C", ROOT, *arguments], check=check)


@contextmanager
def checked_out(commit: str) -> Iterator[Path]:
    """A worktree with the commit's files, which is removed in the end, also after a signal."""
    with tempfile.TemporaryDirectory(prefix="c4-tree-", dir="/var/tmp") as directory:
        tree = Path(directory) / commit[:12]
        try:
            _git("worktree", "add", "--quiet", "--detach", str(tree), commit, check=True)
            yield tree
        finally:
            with unhurried():
                _git("worktree", "remove", "--force", str(tree))


@contextmanager
def unhurried() -> Iterator[None]:
    """Signals that end a command wait until this is done: a second Ctrl-C leaves nothing behind."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
