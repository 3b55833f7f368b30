"""CPU seconds of `cdktf synth`, compared with the CLI as npm ships it, in one run.

    python -m bench.synth [--runs 5]

It needs `scripts/bootstrap cdktf`. It prints the minimum of several runs, because other work on
the machine can only add to it. The exit status is 1 when `cdktf synth` exceeds the limit of CPU.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
from collections.abc import Sequence
from typing import Final

from settings.load import ROOT

LIMIT_S: Final = 3.0
SHIPPED: Final = ROOT / "node_modules/cdktf-cli/bundle/bin/cdktf.js"
COMMANDS: Final = {
    "cdktf synth": [str(ROOT / "node_modules/.bin/cdktf"), "synth"],
    "the CLI as shipped": ["node", str(SHIPPED), "synth"],
    "of it, our program (python main.py)": [sys.executable, "main.py"],
}


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=5, help="of each command, by turns")
    arguments = parser.parse_args(argv)
    for command in COMMANDS.values():
        cpu_s(command)  # to fill the caches
    spent: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(arguments.runs):
        for name, command in COMMANDS.items():
            spent[name].append(cpu_s(command))
    least = {name: min(seconds) for name, seconds in spent.items()}
    for name, seconds in spent.items():
        print(f"{name:40} {least[name]:5.2f} s  (of {', '.join(f'{s:.2f}' for s in seconds)})")
    ours, shipped, _ = least.values()
    print(f"ratio {ours / shipped:.2f}; limit {LIMIT_S} s of CPU")
    return 1 if ours > LIMIT_S else 0


def cpu_s(command: Sequence[str]) -> float:
    """User and system time of the command and of all its children, seconds."""
    environment = os.environ | {
        "C4_DEPLOYMENT": "demo",
        "PATH": f"{ROOT / '.venv/bin'}:{os.environ['PATH']}",
    }
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        command, cwd=ROOT, env=environment, check=True, timeout=120, stdout=subprocess.DEVNULL
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


if __name__ == "__main__":
    sys.exit(main())
