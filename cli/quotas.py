"""`c4 quotas`: does the AWS account allow what a deployment needs?"""

from __future__ import annotations

import json
from typing import Annotated

import typer
from botocore.exceptions import BotoCoreError, ClientError

import settings
from host.command_error import BAD_INPUT, CommandError
from host.progress import wide_console
from quotas.account import Account
from quotas.report import compare, table


def quotas_command(
    name: Annotated[
        str | None,
        typer.Argument(help="name under deployments/, or a path; default: C4_DEPLOYMENT or demo"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON instead of a table")] = False,
) -> None:
    """Compare what a deployment needs with the account's quotas; 1 when something is short.

    The account is that of the AWS credentials in the environment. It is only read.
    """
    deployment = settings.load(name)
    try:
        report = compare(deployment, Account(deployment.region, deployment.deployment))
    except (BotoCoreError, ClientError) as error:
        raise CommandError(
            f"quotas of {deployment.region} cannot be read: {error}",
            "AWS credentials must be in the environment, and may read Service Quotas, EC2, "
            "Auto Scaling, RDS, IAM and Route 53",
            BAD_INPUT,
        ) from None
    if as_json:
        typer.echo(json.dumps(report.as_json(), indent=2))
    else:
        console = wide_console()
        console.print(table(report.rows))
        for kind in report.unknown_types:
            console.print(f"{kind}: the quota of this instance type is not known; look it up")
        if report.is_short:
            console.print("Ask for more in the Service Quotas console before you deploy.")
    if report.is_short:
        raise typer.Exit(1)
