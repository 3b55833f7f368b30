"""The `c4 image` commands."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import settings
from demo.deploy import consul_release
from host.progress import wide_console
from image import consul, layers, payload

app = typer.Typer(help="The machine image of a deployment.", no_args_is_help=True)
console = wide_console()

DeploymentName = Annotated[
    str | None,
    typer.Option("--deployment", help="name under deployments/, or a path; default: C4_DEPLOYMENT"),
]


@app.command("build")
def build_command(deployment: DeploymentName = None) -> None:
    """Make the layers of the local cloud's machines that the cache lacks. Needs root."""
    release = consul_release(settings.load(deployment))
    for layer in layers.build(_say, release).instance:
        typer.echo(layer)
    _say(f"Consul {consul.program(release, _say).version}")


@app.command("payload")
def payload_command(
    archive: Annotated[Path, typer.Argument(help="file to write, .tar.gz")],
    rds_ca: Annotated[
        Path,
        typer.Option(exists=True, dir_okay=False, help="CA bundle of Amazon RDS, PEM"),
    ],
    deployment: DeploymentName = None,
) -> None:
    """Write what EC2 Image Builder installs into the AMI of a deployment."""
    release = consul_release(settings.load(deployment))
    payload.write_archive(archive, rds_ca, _say, release)
    _say(f"{archive} has Consul {consul.program(release, _say).version}")


def _say(message: str) -> None:
    console.print(message, markup=False, highlight=False)
