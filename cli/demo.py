"""The `c4 demo` commands."""

from __future__ import annotations

import os
import shlex
from typing import Annotated

import typer

import settings
from demo import report, without_machines
from demo.cluster import LocalDeployment
from demo.deploy import log_file
from demo.internet import Internet
from demo.up import call_tenant, up, verdict
from host import abilities, preflight
from host.command_error import BAD_INPUT, CommandError
from host.errors import HostError
from host.progress import Board, wide_console
from lab.api import Lab, Machine
from settings.load import deployment_path

DEFAULT_LAB = "demo"

app = typer.Typer(
    help="A deployment on the local cloud, and calls through it. Needs root.", no_args_is_help=True
)
console = wide_console()

LabName = Annotated[str, typer.Option("--lab", help="name of the local cloud")]
DeploymentName = Annotated[
    str | None,
    typer.Option("--deployment", help="name under deployments/, or a path; default: C4_DEPLOYMENT"),
]
MachineName = Annotated[
    str,
    typer.Argument(help="instance id, private address, or role (router, acme/sbc, consul, ...)"),
]


@app.command("up")
def up_command(
    lab: LabName = DEFAULT_LAB,
    deployment: DeploymentName = None,
    calls: Annotated[bool, typer.Option(help="place calls and kill a router")] = True,
    machines: Annotated[
        bool, typer.Option(help="boot machines; the default where that is possible")
    ] = True,
) -> None:
    """Deploy, wait until all checks pass, place calls, and kill a router during a call.

    Where no machine can boot it shows the rest: Terraform, and what instances would boot with.
    """
    chosen = settings.load(deployment)
    handle = _lab(lab)
    path = deployment_path(deployment).resolve()
    if not machines or abilities.missing():
        without_machines.up(console, handle.names, chosen, path)
        return
    preflight.prepare(console.print)
    with handle.exclusive():
        ok = up(console, handle, chosen, path, calls=calls)
    if not ok:
        raise typer.Exit(1)


@app.command("down")
def down_command(lab: LabName = DEFAULT_LAB) -> None:
    """Remove the machines, networks, processes and state of the local cloud."""
    with console.status(f"removing the local cloud {lab!r}"):
        _lab(lab).down()
    console.print(f"the local cloud {lab!r} is removed; the machine image stays in the cache")


@app.command("status")
def status_command(lab: LabName = DEFAULT_LAB, deployment: DeploymentName = None) -> None:
    """Instances, addresses and checks; exit status 1 when one is missing or failing."""
    cluster = _running(lab, deployment)
    health = cluster.health()
    console.print(report.instances(cluster, health))
    judged = cluster.lab.judged()
    for line in report.judged(judged):
        console.print(f"• {line}", markup=False, highlight=False)
    if not verdict(console, health, [], denied=judged.denied):
        raise typer.Exit(1)


@app.command("calls")
def calls_command(
    lab: LabName = DEFAULT_LAB,
    deployment: DeploymentName = None,
    fault: Annotated[bool, typer.Option(help="kill a router during a call as well")] = False,
) -> None:
    """Place the demo's calls again."""
    cluster = _running(lab, deployment)
    internet = Internet.of(cluster.lab)
    with cluster.lab.exclusive(), Board(console, log_file(cluster.lab)) as board:
        reports = [
            call_tenant(board, cluster, tenant, internet, fault=fault)
            for tenant in cluster.deployment.tenants
        ]
        with board.step("Consul checks") as step:
            health = cluster.wait_healthy(step.say, check=lambda: None)
    for one in reports:
        console.print(report.calls(one))
        for line in report.findings(one):
            console.print(f"• {line}", markup=False, highlight=False)
    if not verdict(console, health, reports, denied=cluster.lab.judged().denied):
        raise typer.Exit(1)


@app.command("exec", context_settings={"ignore_unknown_options": True})
def exec_command(
    machine: MachineName,
    command: Annotated[list[str], typer.Argument(help="the command, after `--`")],
    lab: LabName = DEFAULT_LAB,
    deployment: DeploymentName = None,
    timeout: Annotated[float, typer.Option(min=1, max=3600, help="seconds")] = 60,
) -> None:
    """Run a command on a machine."""
    cluster = _running(lab, deployment)
    chosen = _choose(cluster, machine)
    done = cluster.lab.exec(chosen, command, timeout=timeout)
    typer.echo(done.stdout, nl=False)
    typer.echo(done.stderr, nl=False, err=True)
    if done.returncode:
        typer.echo(
            f"{shlex.join(command)} on {chosen.instance_id}: exit status {done.returncode}",
            err=True,
        )
        raise typer.Exit(1)


@app.command("logs")
def logs_command(
    machine: MachineName,
    lab: LabName = DEFAULT_LAB,
    deployment: DeploymentName = None,
    lines: Annotated[int, typer.Option(min=1, max=100_000, help="newest lines")] = 200,
) -> None:
    """Show the journal of a machine."""
    cluster = _running(lab, deployment)
    chosen = _choose(cluster, machine)
    typer.echo(cluster.run(chosen, "journalctl", "--no-pager", "-n", str(lines)), nl=False)


def _lab(name: str) -> Lab:
    try:
        return Lab(name)
    except HostError as error:
        raise CommandError(str(error), status=BAD_INPUT) from None


def _running(lab: str, deployment: str | None) -> LocalDeployment:
    handle = _lab(lab)
    chosen = settings.load(deployment)
    if os.geteuid() != 0:
        raise CommandError("the local cloud belongs to root", "run it with sudo", BAD_INPUT)
    if not handle.running:
        raise CommandError(f"the local cloud {lab!r} is not running", "start it: make demo")
    return LocalDeployment(handle, chosen)


def _choose(cluster: LocalDeployment, name: str) -> Machine:
    """The first machine with this instance id, address, role or tenant/role."""
    machines = cluster.lab.machines()
    for machine in machines:
        names = {machine.instance_id, machine.private_ip, machine.role}
        if name in names or name == f"{machine.tenant}/{machine.role}":
            return machine
    known = sorted({machine.role or "" for machine in machines})
    raise CommandError(
        f"{name!r}: no such machine",
        f"roles: {', '.join(known)}; instances: ./c4 demo status",
        BAD_INPUT,
    )
