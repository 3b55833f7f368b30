"""Running host programs with typed argument lists; failures become `HostError`."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

from host import programs
from host.errors import HostError

Argument = str | Path


def argv(args: Iterable[Argument]) -> list[str]:
    return [os.fspath(a) for a in args]


def ends_with_us(args: Sequence[Argument]) -> list[str]:
    """The command line of a program that is killed when the calling thread ends, however.

    After a `kill -9` of our process it would go on otherwise.
    """
    if shutil.which("setpriv") is None:  # macOS; no machine boots there
        return argv(args)
    return ["setpriv", "--pdeathsig=KILL", *argv(args)]


def run(
    args: Sequence[Argument],
    *,
    input: str | None = None,
    check: bool = True,
    timeout: float | None = 60,
    hint: str = "",
    ends: bool = False,
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end with captured output.

    Raises `HostError` when the program is missing, takes longer than `timeout` seconds, or (with
    `check`) exits with another status than 0. With `ends`, a kill of this process ends the program.
    """
    command = argv(args)
    if ends:
        if shutil.which(command[0]) is None:
            raise _missing(command[0])
        command = ends_with_us(command)
    try:
        done = subprocess.run(
            command,
            input=input,
            stdin=subprocess.DEVNULL if input is None else None,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
    except FileNotFoundError:
        raise _missing(command[0]) from None
    except subprocess.TimeoutExpired:
        raise HostError(f"not finished after {timeout} s: {' '.join(command)}", hint) from None
    if check and done.returncode != 0:
        text = (done.stderr or done.stdout).strip()[-2000:]
        raise HostError(f"exit status {done.returncode}: {' '.join(command)}\n{text}", hint)
    return done


def _missing(program: str) -> HostError:
    package = programs.package(program)
    return HostError(f"program {program!r} not found", f"apt-get install {package}")
