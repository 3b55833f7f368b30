"""`python -m lab`: run a lab by hand. The command line of the product is `c4`."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from host.errors import HostError
from lab.api import Lab
from lab.machines import machine


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m lab", description=__doc__)
    parser.add_argument("--name", default="demo", help="name of the lab (default: demo)")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("up", help="start the cloud, empty; builds the image first if needed")
    commands.add_parser("down", help="remove everything")
    commands.add_parser("status", help="list the machines")
    commands.add_parser("judged", help="list the calls of instances that IAM judged")
    for name in ("apply", "destroy"):
        stack = commands.add_parser(name, help=f"terraform {name} of a synthesized stack")
        stack.add_argument("stack")
        stack.add_argument("--synth-dir", type=Path, default=Path("cdktf.out"))
    execute = commands.add_parser("exec", help="run a command in a machine")
    execute.add_argument("machine", help="instance id, or a role, which means its first machine")
    execute.add_argument("args", nargs=argparse.REMAINDER)
    arguments = parser.parse_args()
    lab = Lab(arguments.name)
    try:
        return _run(lab, arguments)
    except HostError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def _run(lab: Lab, arguments: argparse.Namespace) -> int:
    match arguments.command:
        case "up":
            lab.up(print)
        case "down":
            lab.down(print)
        case "status":
            for m in lab.machines():
                print(m.instance_id, m.state, m.zone, m.private_ip, m.public_ip or "-",
                      m.tenant or "-", m.role or "-")  # fmt: skip
        case "judged":
            judged = lab.judged()
            for call in judged.calls:
                verdict = "allowed" if call.allowed else "DENIED"
                print(call.role or "-", call.call, verdict, call.count)
            for role, statement, action in sorted(judged.used):
                print(role, statement, "was needed for", action)
            for text, count in judged.denials.items():
                print("denied", count, text)
        case "apply":
            lab.apply(arguments.stack, arguments.synth_dir, print)
        case "destroy":
            lab.destroy(arguments.stack, arguments.synth_dir, print)
        case "exec":
            target = arguments.machine
            if not target.startswith(("i-", "db-")):
                target = lab.machines(role=target)[0].instance_id
            command = machine.enter(lab.names, target, arguments.args or ["bash"])
            return subprocess.run(command).returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
