"""Apply a deployment's stacks to the local cloud: image, synth, lab, Terraform."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from host.command_error import CommandError
from host.progress import Board
from host.run import ends_with_us
from image import layers
from image.consul import Release
from lab.api import Lab
from settings import Deployment
from settings.load import ENVIRONMENT_VARIABLE, ROOT

SHARED_STACKS = ("network", "consul")
SYNTH_TIMEOUT_S = 1200  # seconds; five of them suffice on a machine that does only this


def log_file(lab: Lab) -> Path:
    """The log of the commands, which stays when the lab's own folder is removed."""
    return lab.names.state.with_name(f"{lab.names.lab}.log")


def synth(deployment_file: Path, outdir: Path) -> None:
    """Write a deployment's Terraform JSON to `outdir`. Raises `CommandError` with its output."""
    environment = {
        **os.environ,
        ENVIRONMENT_VARIABLE: str(deployment_file),
        "CDKTF_OUTDIR": str(outdir),
        "PYTHONPATH": f"{ROOT}:{ROOT / 'constructs'}",
    }
    try:
        done = subprocess.run(
            ends_with_us([sys.executable, "main.py"]),
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SYNTH_TIMEOUT_S,
        )
    except subprocess.TimeoutExpired:
        raise CommandError(
            f"synth has not ended after {SYNTH_TIMEOUT_S} s", "try again when this machine is idle"
        ) from None
    if done.returncode != 0:
        text = (done.stderr or done.stdout).strip()
        raise CommandError(f"synth failed:\n{text[-3000:]}", "", done.returncode)


def consul_release(deployment: Deployment) -> Release | None:
    """The Consul that a deployment's image installs, as the image module takes it."""
    named = deployment.image.consul.release
    return None if named is None else Release(named.url, named.sha256, named.allow_untested)


@dataclass
class Deploying:
    """Stacks that Terraform is applying in the background."""

    futures: dict[str, Future[None]] = field(default_factory=dict)

    def check(self) -> None:
        """Raise the error of a stack that has failed."""
        for future in self.futures.values():
            if future.done():
                future.result()

    @property
    def running(self) -> list[str]:
        return [stack for stack, future in self.futures.items() if not future.done()]


def settle(board: Board, lab: Lab) -> bool:
    """Put right what an earlier start has left; True when there is something to go on with."""
    if not lab.running:
        return False
    with board.step("local cloud of the last start") as step:
        damage = lab.settle(step.say)
        step.say(f"removed, since {'; '.join(damage)}" if damage else "usable")
    return not damage and bool(lab.machines())


def deploy(
    board: Board,
    pool: ThreadPoolExecutor,
    lab: Lab,
    deployment: Deployment,
    deployment_file: Path,
) -> Deploying:
    """Start the lab and apply the shared stacks; return while the tenants' are being applied.

    Terraform waits for things that calls do not need to wait for (a minute for the database).
    """
    release = consul_release(deployment)
    with board.step("machine image") as step:
        layers.build(step.say, release)
    with board.step("local cloud") as step:
        lab.up(step.say, release=release)
    outdir = lab.names.state / "cdktf.out"
    with board.step("Terraform's JSON (synth)") as step:
        synth(deployment_file, outdir)
        step.say(f"{len(SHARED_STACKS) + len(deployment.tenants)} stacks in {outdir}")

    def apply(stack: str) -> None:
        with board.step(f"terraform apply {stack}") as step:
            lab.apply(stack, outdir, step.say)

    for stack in SHARED_STACKS:  # in this order: each reads the state of those before it
        apply(stack)
    return Deploying(
        {tenant.name: pool.submit(apply, tenant.name) for tenant in deployment.tenants}
    )
