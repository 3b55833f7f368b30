"""Is it noticed when a Terraform that was ended has left what its state does not have?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from lab.terraform import leftovers

DATABASE = "aws_db_instance.database_instance_D7FC2283"
ROLE = "aws_iam_role.router_role"


def state(directory: Path, *addresses: str, status: str | None = None) -> Path:
    """A state with these resources."""
    resources = []
    for address in addresses:
        kind, name = address.split(".")
        instance = {"status": status} if status else {}
        resources.append({"mode": "managed", "type": kind, "name": name, "instances": [instance]})
    file = directory / "terraform.demo.acme.tfstate"
    file.write_text(json.dumps({"version": 4, "resources": resources}))
    return file


def event(kind: str, address: str, action: str = "create") -> dict[str, Any]:
    return {"type": kind, "hook": {"resource": {"addr": address}, "action": action}}


def canceled(address: str) -> dict[str, Any]:
    detail = "request send failed, context canceled"
    return {"type": "diagnostic", "diagnostic": {"address": address, "summary": detail}}


def log(directory: Path, *events: dict[str, Any], end: str = "") -> None:
    text = "".join(json.dumps(one) + "\n" for one in events)
    leftovers.apply_log(directory, "acme").write_text(text + end)


def test_nothing_is_wrong_before_the_first_apply_and_after_a_complete_one(tmp_path: Path) -> None:
    assert leftovers.damage(tmp_path) == []
    state(tmp_path, DATABASE)
    log(tmp_path, event("apply_start", DATABASE), event("apply_complete", DATABASE))
    assert leftovers.damage(tmp_path) == []


def test_what_was_being_created_when_terraform_was_killed_is_named(tmp_path: Path) -> None:
    state(tmp_path, ROLE)
    log(tmp_path, event("apply_start", ROLE), event("apply_complete", ROLE),
        event("apply_start", DATABASE), end='{"type":"apply_prog')  # fmt: skip
    (reason,) = leftovers.damage(tmp_path)
    assert DATABASE in reason and ROLE not in reason


def test_what_was_created_and_not_written_down_any_more_is_named(tmp_path: Path) -> None:
    state(tmp_path, ROLE)
    log(tmp_path, event("apply_start", DATABASE), event("apply_complete", DATABASE))
    (reason,) = leftovers.damage(tmp_path)
    assert DATABASE in reason


def test_an_interrupted_wait_is_no_damage(tmp_path: Path) -> None:
    """What exists of the resource is in the state, as tainted."""
    file = state(tmp_path, DATABASE, status="tainted")
    log(tmp_path, event("apply_start", DATABASE), event("apply_errored", DATABASE),
        canceled(DATABASE))  # fmt: skip
    assert leftovers.damage(tmp_path) == []
    assert leftovers.tainted(file, frozenset({"aws_db_instance"})) == [DATABASE]
    assert leftovers.tainted(file, frozenset({"aws_iam_role"})) == []


def test_a_canceled_request_may_have_been_carried_out(tmp_path: Path) -> None:
    state(tmp_path)
    log(tmp_path, event("apply_start", ROLE), event("apply_errored", ROLE), canceled(ROLE))
    (reason,) = leftovers.damage(tmp_path)
    assert ROLE in reason


def test_a_refused_request_is_no_damage(tmp_path: Path) -> None:
    """An error of the deployment, which its next version mends."""
    state(tmp_path)
    refused = {"type": "diagnostic", "diagnostic": {"address": ROLE, "summary": "InvalidInput"}}
    log(tmp_path, event("apply_start", ROLE), event("apply_errored", ROLE), refused)
    assert leftovers.damage(tmp_path) == []


def test_changes_and_deletions_can_be_repeated(tmp_path: Path) -> None:
    state(tmp_path, DATABASE, ROLE)
    log(tmp_path, event("apply_start", DATABASE, "update"), event("apply_start", ROLE, "delete"))
    assert leftovers.damage(tmp_path) == []


def test_what_may_be_created_twice_is_no_damage(tmp_path: Path) -> None:
    state(tmp_path)
    log(tmp_path, event("apply_start", "aws_autoscaling_lifecycle_hook.router_launching"))
    assert leftovers.damage(tmp_path) == []


def test_a_state_that_was_never_written_is_no_damage(tmp_path: Path) -> None:
    """Terraform makes the file when it begins to plan, and fills it when it has made something."""
    file = state(tmp_path)
    file.write_text("")
    log(tmp_path, event("apply_start", "data.aws_region.here", "read"))
    assert leftovers.damage(tmp_path) == []
    log(tmp_path, event("apply_start", ROLE), event("apply_complete", ROLE))
    assert ROLE in leftovers.damage(tmp_path)[0]
    file.with_name(file.name + leftovers.BACKUP).write_text("{}")
    assert "not complete" in leftovers.damage(tmp_path)[0]


def test_half_a_state_and_one_that_could_not_be_written_are_damage(tmp_path: Path) -> None:
    file = state(tmp_path, DATABASE)
    file.write_text(file.read_text()[:-9])
    assert "not complete" in leftovers.damage(tmp_path)[0]
    state(tmp_path, DATABASE)
    (tmp_path / "acme").mkdir()
    (tmp_path / "acme" / leftovers.BACKEND_FAILED).write_text("{}")
    assert "could not be written" in leftovers.damage(tmp_path)[0]
