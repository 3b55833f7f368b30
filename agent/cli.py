"""Commands of `c4-agent`.

Each command imports only what it needs, and the parser is the standard library's: consul-template
runs `apply` on every change of a list, and that has to take milliseconds.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from agent import log
from agent.errors import AgentError
from common import paths

if TYPE_CHECKING:
    from agent.config import Config
    from agent.consul.local import LocalConsul
    from agent.daemon import Daemon

SETTLE_S = 1.0
FAILED, MISUSED = 1, 2


def boot(_: argparse.Namespace) -> int:
    """get facts, Elastic IP and secrets; waits until AWS provides them"""
    from agent import config
    from agent.boot import boot as run

    run(config.load())
    return 0


def bundle(_: argparse.Namespace) -> int:
    """fetch the files of this instance; waits until AWS provides them"""
    from agent.bundle import install

    install()
    return 0


def run(_: argparse.Namespace) -> int:
    """run health checks, lifecycle and metrics, until the machine stops"""
    _daemon().run()
    return 0


def drain(_: argparse.Namespace) -> int:
    """take the instance out of service, as before its termination"""
    _daemon().drain()
    return 0


def apply(arguments: argparse.Namespace) -> int:
    """check a rendered list and hand it over to Kamailio"""
    from agent.kamailio.service_lists import ListRefused, NotYet, RpcFailed, ServiceLists

    try:
        ServiceLists().apply(arguments.list)
    except (ListRefused, NotYet, RpcFailed) as error:
        log.warning("list not applied", list=arguments.list, error=error)
        return 0 if arguments.retry_later else FAILED
    return 0


def maintenance(arguments: argparse.Namespace) -> int:
    """take the service out of every list while it is stopped by hand, or put it back"""
    from agent import config

    consul = _consul(config.load())
    if arguments.state == "on":
        paths.MAINTENANCE.touch()
        consul.maintenance(True, "c4: stopped by an operator")
        time.sleep(SETTLE_S)  # the others reload their lists before the service stops
    else:
        paths.MAINTENANCE.unlink(missing_ok=True)
        consul.maintenance(False, "")
    return 0


def version(_: argparse.Namespace) -> int:
    """print the versions of the programs in the image, as JSON"""
    try:
        print(paths.VERSIONS.read_text(encoding="utf-8"), end="")
    except OSError as error:
        raise AgentError(f"{paths.VERSIONS}: cannot be read: {error.strerror}") from None
    return 0


def _consul(config: Config) -> LocalConsul:
    from agent.consul import leader
    from agent.consul.local import LocalConsul

    # On a tenant's instance the Consul agent itself has the tier's token, for local callers.
    token = None if config.service else leader.tokens()["management"]
    return LocalConsul(config.ports.consul_http, config.service, token)


def _daemon() -> Daemon:
    from agent import config, facts
    from agent.aws.imds import Imds
    from agent.daemon import Daemon
    from agent.instance import Instance

    settings = config.load()
    return Daemon(Instance(settings, facts.load(), Imds(), _consul(settings)))


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser("c4-agent", description="The agent of a Wazo C4 instance.")
    commands = top.add_subparsers(metavar="COMMAND", required=True)
    for command in (bundle, boot, run, drain, apply, maintenance, version):
        sub = commands.add_parser(command.__name__, help=command.__doc__)
        sub.set_defaults(command=command)
        if command is apply:
            sub.add_argument("list", help="name of a list that consul-template rendered")
            sub.add_argument(
                "--retry-later",
                action="store_true",
                help="exit with 0 on failure: the daemon repeats what Kamailio does not accept now",
            )
        if command is maintenance:
            sub.add_argument("state", choices=("on", "off"))
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command. An error prints one line, and the exit status is 2."""
    arguments = parser().parse_args(argv)
    try:
        return int(arguments.command(arguments))
    except AgentError as error:
        log.error("failed", error=error)
        return MISUSED
