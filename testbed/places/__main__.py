"""`python -m testbed.places`: run a shell script in a place, by hand."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from host.errors import HostError
from testbed.places.place import place


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m testbed.places", description=__doc__)
    parser.add_argument("--suite", choices=["trixie", "bookworm"], default="trixie")
    parser.add_argument("--privileges", choices=["privileged", "default"], default="privileged")
    parser.add_argument("--cgroups", choices=["v1", "v2"], default="v2")
    parser.add_argument("--user", default="root")
    parser.add_argument("--timeout", type=float, default=7200, help="seconds")
    parser.add_argument("--log", type=Path, help="file for the output")
    parser.add_argument("--seed", action="store_true", help="with this machine's built programs")
    parser.add_argument("script", help="for /bin/sh; our code is in the bundle /mnt/c4.bundle")
    wanted = parser.parse_args()
    try:
        with place(wanted.suite, wanted.privileges, wanted.cgroups) as made:
            if wanted.seed:
                made.seed("/root" if wanted.user == "root" else f"/home/{wanted.user}")
            status, _ = made.run(
                wanted.script, user=wanted.user, timeout=wanted.timeout, log=wanted.log
            )
    except HostError as error:
        print(f"places: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return status


if __name__ == "__main__":
    sys.exit(main())
