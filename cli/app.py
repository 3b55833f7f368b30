"""The commands of `c4`. Only this module turns errors into messages and exit statuses."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console

import settings
from cli import interrupt
from cli.demo import app as demo_app
from cli.image import app as image_app
from cli.quotas import quotas_command as _quotas
from cli.version import project_version, versions
from host.command_error import BAD_INPUT, FAILED, INTERRUPTED, CommandError
from host.errors import HostError, InputError
from host.progress import wide_console

console = wide_console()
errors = Console(stderr=True)

app = typer.Typer(
    name="c4",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
settings_app = typer.Typer(help="The settings of a deployment.", no_args_is_help=True)
app.add_typer(settings_app, name="settings")
app.add_typer(demo_app, name="demo")
app.add_typer(image_app, name="image")


def _show_version(wanted: bool) -> None:
    if wanted:
        console.print(project_version(), highlight=False)
        raise typer.Exit


@app.callback()
def options(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="print the version and exit"
        ),
    ] = False,
) -> None:
    """Wazo Platform C4 on AWS: local demo, machine image, settings, generated documentation."""


@settings_app.command("check")
def check_settings(
    name: Annotated[
        str | None,
        typer.Argument(help="name under deployments/, or a path; default: C4_DEPLOYMENT or demo"),
    ] = None,
) -> None:
    """Read a deployment's file and report every problem in it."""
    deployment = settings.load(name)
    tenants = ", ".join(tenant.name for tenant in deployment.tenants) or "none"
    console.print(
        f"{deployment.deployment}: valid. Region {deployment.region}, "
        f"{len(deployment.zones)} zones, {deployment.consul.servers} Consul servers; "
        f"tenants: {tenants}",
        highlight=False,
    )


app.command("quotas")(_quotas)


@app.command()
def version(
    as_json: Annotated[bool, typer.Option("--json", help="print it as JSON")] = False,
) -> None:
    """Print the versions of this project, of what it uses, and of what is in the machine image."""
    found = versions()
    if as_json:
        console.print(found.json(), highlight=False, markup=False, soft_wrap=True)
    else:
        console.print(found.table(), highlight=False)


@app.command()
def docs(
    check: Annotated[bool, typer.Option(help="change nothing; fail when a file is stale")] = False,
) -> None:
    """Write the documentation that is generated from the code."""
    from docs_gen import pages as generator

    stale = generator.write(check=check)
    for path in stale:
        console.print(f"{path}: {'stale' if check else 'written'}", highlight=False)
    if check and stale:
        raise CommandError(f"{len(stale)} generated file(s) are stale", "run: make docs")


def main() -> NoReturn:
    """Run the command line. An error that a user can cause never shows a traceback."""
    interrupt.install()
    try:
        app(prog_name="c4")
    except settings.SettingsError as error:
        _fail(str(error), "", BAD_INPUT)
    except CommandError as error:
        _fail(error.message, error.hint, error.status)
    except InputError as error:
        _fail(str(error), "", BAD_INPUT)
    except HostError as error:
        _fail(str(error), "", FAILED)
    except PermissionError as error:
        _fail(*_not_permitted(error), BAD_INPUT)
    except interrupt.Interrupted:
        _fail(
            "interrupted", "make demo continues from here; make demo-down removes it", INTERRUPTED
        )
    sys.exit(0)


def _not_permitted(error: PermissionError) -> tuple[str, str]:
    """Message and hint: mostly root's local cloud, or root's cache, in the way of another user."""
    if not error.filename:
        return str(error), "run it as root"
    path = Path(error.filename)
    while not os.access(path.parent, os.X_OK):
        path = path.parent
    existing = next(place for place in (path, *path.parents) if place.exists())
    try:
        owner = existing.owner()
    except KeyError:  # no such user here
        owner = f"user {existing.stat().st_uid}"
    return (
        f"{error.filename}: {error.strerror}",
        f"{existing} belongs to {owner}: run it as {owner}",
    )


def _fail(message: str, hint: str, status: int) -> NoReturn:
    errors.print(f"c4: {message}", style="red", markup=False, highlight=False, soft_wrap=True)
    if hint:
        errors.print(f"    {hint}", markup=False, highlight=False, soft_wrap=True)
    sys.exit(status)
