"""`c4 demo up` where no machine can boot: everything but machines and calls.

Every stack is synthesized, applied by Terraform with the real AWS provider to the AWS API on
loopback, planned again, and destroyed. What each instance would boot with is written to files, and
Kamailio checks its configurations.
"""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

from rich.console import Console

from agent.errors import AgentError
from common.names import TAG_ROLE
from common.topology import Tier
from demo import boot_files, kamailio_check
from demo.deploy import SHARED_STACKS, synth
from host import abilities
from host.command_error import CommandError
from host.progress import Board, Step
from lab.aws.views import InstanceView
from lab.loopback import LoopbackLab, loopback_lab
from lab.names import Names
from settings import Deployment

KAMAILIO_ROLES = {str(Tier.SBC), str(Tier.ROUTER)}


def up(console: Console, names: Names, deployment: Deployment, deployment_file: Path) -> None:
    """Show what can be shown, and say at the end that no call was placed.

    Raises `CommandError` or `HostError` when something of it fails.
    """
    state = names.without_machines
    shutil.rmtree(state, ignore_errors=True)
    state.mkdir(parents=True)
    stacks = [*SHARED_STACKS, *(tenant.name for tenant in deployment.tenants)]
    outdir = state / "cdktf.out"
    with Board(console, state / "log") as board:
        with board.step("Terraform's JSON (synth)") as step:
            synth(deployment_file, outdir)
            step.say(f"{len(stacks)} stacks in {outdir}")
        with loopback_lab(state) as lab:
            for stack in stacks:
                with board.step(f"terraform apply {stack}") as step:
                    lab.apply(stack, outdir, step.say)
            for stack in stacks:
                with board.step(f"terraform plan {stack}, again") as step:
                    _plan(lab, stack, outdir, step)
            instances = lab.instances()
            with board.step("what each instance would boot with") as step:
                files = _write(instances, state / "instances", lab.stored)
                step.say(f"{files} files of {len(instances)} instances in {state / 'instances'}")
            with board.step("Kamailio's check of its configurations") as step:
                checked = _check(instances, state, step)
            for stack in reversed(stacks):
                with board.step(f"terraform destroy {stack}") as step:
                    lab.destroy(stack, outdir, step.say)
            with board.step("nothing is left") as step:
                if left := lab.instances():
                    raise CommandError(f"{len(left)} instances are left after terraform destroy")
                step.say("no instance is left")
    _summary(console, stacks, instances, files, checked, state)


def _plan(lab: LoopbackLab, stack: str, outdir: Path, step: Step) -> None:
    if lab.changes(stack, outdir, lambda _: None):
        raise CommandError(f"a second plan of {stack} is not empty", "see the log of the plan")
    step.say("no changes")


def _write(instances: list[InstanceView], folder: Path, fetch: boot_files.Fetch) -> int:
    try:
        return sum(
            boot_files.write(one, folder / boot_files.title(one), fetch) for one in instances
        )
    except AgentError as error:
        raise CommandError(str(error)) from None


def _check(instances: list[InstanceView], state: Path, step: Step) -> str:
    """Check one instance of each role that runs Kamailio; returns a sentence about it."""
    if obstacle := kamailio_check.obstacle():
        step.say(f"skipped: {obstacle}")
        return f"Kamailio's configurations were not checked: {obstacle}."
    chosen = [one for one in instances if one.tags.get(TAG_ROLE) in KAMAILIO_ROLES]
    for one in chosen:
        name = boot_files.title(one)
        folder = state / "checked" / name
        shutil.copytree(state / "instances" / name, folder)
        if complaints := kamailio_check.check(folder):
            raise CommandError(f"{name}: kamailio -c says\n{complaints}", f"its files: {folder}")
        step.say(f"{name}: accepted")
    step.say(f"{len(chosen)} accepted")
    return f"Kamailio accepts the configurations of {len(chosen)} instances."


def _summary(
    console: Console,
    stacks: list[str],
    instances: list[InstanceView],
    files: int,
    checked: str,
    state: Path,
) -> None:
    roles = Counter(one.tags.get(TAG_ROLE, "?") for one in instances)
    each = ", ".join(f"{number} {role}" for role, number in sorted(roles.items()))
    reasons = "; ".join(abilities.missing()) or "you asked for none"
    lines = [
        f"• Terraform applied {', '.join(stacks)} to the AWS API on loopback, a second plan of "
        "each was empty, and all of it is destroyed again.",
        f"• {len(instances)} instances would have booted ({each}) with {files} files: "
        f"{state / 'instances'}",
        f"• {checked}",
    ]
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    console.print(
        f"[bold yellow]NO CALL WAS PLACED[/]: no machine can boot here ({reasons}).",
        highlight=False,
        soft_wrap=True,
    )
    for line in abilities.advice().splitlines() if abilities.missing() else ():
        console.print(line, markup=False, highlight=False, soft_wrap=True)
