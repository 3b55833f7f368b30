"""CPU seconds of synthesis, in paired rounds of one run: with cdktf, with its fork, by the command.

    python -m bench.synth [--rounds 5] [--programs]

`fork / default` compares `python main.py` with C4_CDK=cdktn and with C4_CDK=cdktf. `ours / shipped`
compares the cdktf command with what npm ships; it needs `scripts/bootstrap cdktf`, and --programs
leaves it out. Each round runs every command once, so that other work on the machine disturbs them
alike; the ratio is the median of the rounds' ratios. The exit status is 1 when a ratio, or the
command's CPU, exceeds its limit.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from c4 import cdk
from settings.load import ROOT

FORK_LIMIT: Final = 1.5  # times the CPU of the default
COMMAND_LIMIT_S: Final = 3.0
SHIPPED: Final = ROOT / "node_modules/cdktf-cli/bundle/bin/cdktf.js"


@dataclass(frozen=True)
class Timed:
    """A command, and the CDK that its program uses."""

    name: str
    command: tuple[str, ...]
    cdk: cdk.Cdk = cdk.CDKTF

    def cpu_s(self) -> float:
        """User and system time of the command and of all its children, seconds."""
        environment = os.environ | {
            "C4_DEPLOYMENT": "demo",
            cdk.VARIABLE: self.cdk.name,
            "PATH": f"{ROOT / '.venv/bin'}:{os.environ['PATH']}",
        }
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(
            self.command, cwd=ROOT, env=environment, check=True, timeout=300,
            stdout=subprocess.DEVNULL,
        )  # fmt: skip
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


PROGRAM: Final = (sys.executable, "main.py")
DEFAULT: Final = Timed("python main.py, cdktf", PROGRAM)
FORK: Final = Timed("python main.py, cdktn", PROGRAM, cdk.CDKTN)
OURS: Final = Timed("cdktf synth", (str(ROOT / "node_modules/.bin/cdktf"), "synth"))
AS_SHIPPED: Final = Timed("cdktf synth as shipped", ("node", str(SHIPPED), "synth"))


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5, help="of all commands, by turns")
    parser.add_argument("--programs", action="store_true", help="without the cdktf command")
    arguments = parser.parse_args(argv)
    commands = (DEFAULT, FORK) if arguments.programs else (DEFAULT, FORK, OURS, AS_SHIPPED)
    for timed in commands:
        timed.cpu_s()  # to fill the caches
    spent: dict[Timed, list[float]] = {timed: [] for timed in commands}
    for _ in range(arguments.rounds):
        for timed in commands:
            spent[timed].append(timed.cpu_s())
    for timed, seconds in spent.items():
        each = ", ".join(f"{s:.2f}" for s in seconds)
        print(f"{timed.name:24} {min(seconds):5.2f} s  (of {each})")
    fork = _ratio("fork / default", spent[FORK], spent[DEFAULT])
    print(f"limit of fork / default {FORK_LIMIT}")
    if arguments.programs:
        return 1 if fork > FORK_LIMIT else 0
    _ratio("ours / shipped", spent[OURS], spent[AS_SHIPPED])
    print(f"limit of cdktf synth {COMMAND_LIMIT_S} s of CPU")
    return 1 if fork > FORK_LIMIT or min(spent[OURS]) > COMMAND_LIMIT_S else 0


def _ratio(name: str, ours: Sequence[float], others: Sequence[float]) -> float:
    """Print and return the median of the rounds' ratios."""
    ratios = [a / b for a, b in zip(ours, others, strict=True)]
    median = statistics.median(ratios)
    print(f"{name} {median:.2f}  (rounds: {', '.join(f'{ratio:.2f}' for ratio in ratios)})")
    return median


if __name__ == "__main__":
    sys.exit(main())
