"""python -m image: build the local image, or the payload of an AMI."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from host.errors import HostError
from image import layers, payload


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m image", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("build", help="layers for the machines of the local cloud (root)")
    archive = commands.add_parser("payload", help="tar file that EC2 Image Builder installs")
    archive.add_argument("archive", type=Path, help="file to write, .tar.gz")
    archive.add_argument(
        "--rds-ca",
        type=Path,
        required=True,
        help="CA bundle of Amazon RDS, PEM (global-bundle.pem)",
    )
    arguments = parser.parse_args()
    try:
        if arguments.command == "build":
            for layer in layers.build(print).instance:
                print(layer)
        else:
            payload.write_archive(arguments.archive, arguments.rds_ca, print)
    except (HostError, OSError) as error:
        print(f"image: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
