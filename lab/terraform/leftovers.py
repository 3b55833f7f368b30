"""What a Terraform that was ended early has left: resources of which its state knows nothing.

Terraform writes its state after each resource. A kill can therefore lose what was being created:
it exists in the cloud, and the next apply would create it again, beside it or in vain. After an
interrupt the same is true of a request that was canceled: nobody knows whether it was carried out.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from lab.machines import cgroups
from lab.names import Names

PROGRAMS: Final = frozenset({"terraform", "tofu"})  # as the kernel names the processes
STOP_LIMIT: Final = 300.0  # seconds
# Creating one of these again only sets it again.
REPEATABLE: Final = frozenset(
    {
        "aws_autoscaling_lifecycle_hook",
        "aws_autoscaling_policy",
        "aws_iam_role_policy",
        "aws_iam_role_policy_attachment",
    }
)
MOST: Final = 2  # resources in a message
POLL: Final = 0.2  # seconds
BACKEND_FAILED: Final = "errored.tfstate"  # Terraform writes it when it cannot write its state
CANCELED: Final = "context canceled"  # of a request, by an interrupt
SUFFIX: Final = ".tfstate"
BACKUP: Final = ".backup"  # Terraform keeps the state before the first one that it writes


def end_programs(names: Names, progress: Callable[[str], None]) -> None:
    """End every program that a killed command has left in the lab's networks.

    Terraform gets the time to end by itself: a signal would be the second one if it has been asked
    to stop, and would make it abandon its state.
    """
    group = cgroups.root().joinpath(*names.guests)
    end = time.monotonic() + STOP_LIMIT
    while _terraforms(group) and time.monotonic() < end:
        progress("waiting until the last command's Terraform has ended")
        time.sleep(POLL)
    cgroups.kill(group)


def _terraforms(group: Path) -> list[int]:
    return [pid for pid in cgroups.processes(group) if _name(pid) in PROGRAMS]


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def apply_log(work_dir: Path, stack: str) -> Path:
    """Terraform's own messages of the last apply of a stack, one JSON object per line."""
    return work_dir / f"{stack}-apply.log"


def damage(work_dir: Path) -> list[str]:
    """Why the states in `work_dir` are not the whole truth; empty when they are."""
    found = [
        f"{file.name} is not complete" for file in work_dir.glob(f"*{SUFFIX}") if not _whole(file)
    ]
    found += [
        f"the state of stack {file.parent.name} could not be written"
        for file in work_dir.glob(f"*/{BACKEND_FAILED}")
    ]
    if not found:
        known = {address for file in work_dir.glob(f"*{SUFFIX}") for address in addresses(file)}
        for log in sorted(work_dir.glob("*-apply.log")):
            lost = sorted(_lost(log, known))
            if lost:
                more = f" and {len(lost) - MOST} more" if len(lost) > MOST else ""
                found.append(f"Terraform was ended while it created {', '.join(lost[:MOST])}{more}")
    return found


def addresses(state: Path) -> Iterator[str]:
    """Address of every resource in a state, without the index of an instance."""
    for resource in _resources(state):
        yield f"{resource['type']}.{resource['name']}"


def tainted(state: Path, kinds: frozenset[str]) -> list[str]:
    """Addresses of the resources of these types that Terraform would create again."""
    return [
        f"{resource['type']}.{resource['name']}"
        for resource in _resources(state)
        if resource["type"] in kinds
        and any(instance.get("status") == "tainted" for instance in resource["instances"])
    ]


def _resources(state: Path) -> list[dict[str, Any]]:
    if not state.exists() or not (text := state.read_text()):
        return []
    found: list[dict[str, Any]] = json.loads(text).get("resources", [])
    return [resource for resource in found if resource["mode"] == "managed"]


def _whole(state: Path) -> bool:
    """True for a state, and for the empty file that Terraform makes before it writes the first."""
    text = state.read_text()
    if not text:
        return not state.with_name(state.name + BACKUP).exists()
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False


def _lost(log: Path, known: set[str]) -> set[str]:
    """What an apply began to create, and neither failed to nor wrote into a state."""
    begun: set[str] = set()
    created: set[str] = set()
    failed: set[str] = set()
    for event in _events(log):
        if event.get("type") == "diagnostic":
            diagnostic = event["diagnostic"]
            address = str(diagnostic.get("address", "")).partition("[")[0]
            # The request may have been carried out although its answer was not awaited.
            if address in failed and CANCELED in json.dumps(diagnostic):
                created.add(address)
        hook = event.get("hook", {})
        if hook.get("action") != "create":
            continue
        address = str(hook["resource"]["addr"]).partition("[")[0]
        match event["type"]:
            case "apply_start":
                begun.add(address)
            case "apply_complete":
                begun.discard(address)
                created.add(address)
            case "apply_errored":  # what there is of it is in the state, as tainted
                begun.discard(address)
                failed.add(address)
    lost = begun | (created - known)
    return {address for address in lost if address.partition(".")[0] not in REPEATABLE}


def _events(log: Path) -> Iterator[dict[str, Any]]:
    for line in log.read_text(errors="replace").splitlines():
        try:
            event = json.loads(line)
        except ValueError:  # the last line of a killed program, or what it says beside
            continue
        if isinstance(event, dict):
            yield event
