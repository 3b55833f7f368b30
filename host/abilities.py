"""What this machine cannot do for the local cloud, and how to get a machine that can."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path
from typing import Final

SCRIPT: Final = Path(__file__).with_name("abilities.sh")
ADVICE: Final = Path(__file__).with_name("abilities.txt")


@cache
def missing() -> tuple[str, ...]:
    """Why no machine can boot here, one reason each; nothing when they can.

    Tried once for each process, in a tenth of a second.
    """
    done = subprocess.run(["sh", SCRIPT], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode == 0:
        return ()
    lines = done.stdout.strip().splitlines()
    return tuple(lines) or (f"{SCRIPT.name} ended with status {done.returncode}",)


def advice() -> str:
    """Where machines can boot, in several lines."""
    return ADVICE.read_text().rstrip()
