"""The API of instance refresh, which moto lacks.

Upstream: no issue known.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from moto.autoscaling.exceptions import AutoscalingClientError, ValidationError
from moto.autoscaling.responses import AutoScalingResponse
from moto.core.responses import ActionResult

from lab.aws.autoscaling import groups
from lab.aws.autoscaling.refresh import Refresh

_runs: list[Refresh] = []


def _open(group: str) -> Refresh | None:
    return next((r for r in _runs if r.group == group and r.open), None)


def start_instance_refresh(self: AutoScalingResponse) -> ActionResult:
    params = self._get_params()
    name = params["AutoScalingGroupName"]
    if name not in self.autoscaling_backend.autoscaling_groups:
        raise ValidationError(f"AutoScalingGroup name not found - {name}")
    if _open(name):
        raise AutoscalingClientError(
            "InstanceRefreshInProgress", f"An Instance Refresh is already in progress for {name}"
        )
    refresh = Refresh.of(name, params.get("Preferences") or {})
    _runs.insert(0, refresh)
    return ActionResult({"InstanceRefreshId": refresh.id})


def describe_instance_refreshes(self: AutoScalingResponse) -> ActionResult:
    params = self._get_params()
    wanted = params.get("InstanceRefreshIds") or []
    return ActionResult(
        {
            "InstanceRefreshes": [
                r.described()
                for r in _runs
                if r.group == params["AutoScalingGroupName"] and (not wanted or r.id in wanted)
            ]
        }
    )


def cancel_instance_refresh(self: AutoScalingResponse) -> ActionResult:
    name = self._get_params()["AutoScalingGroupName"]
    refresh = _open(name)
    if refresh is None:
        raise AutoscalingClientError(
            "ActiveInstanceRefreshNotFound",
            f"No in progress or pending Instance Refresh for {name}",
        )
    refresh.end("Cancelled")
    return ActionResult({"InstanceRefreshId": refresh.id})


def tick() -> None:
    """Advance every open refresh; a refresh whose group was deleted ends."""
    existing = {group.name: group for _, group in groups.all_groups()}
    for refresh in [r for r in _runs if r.open]:
        if refresh.group in existing:
            refresh.step(existing[refresh.group])
        else:
            refresh.end("Cancelled")


def apply(put: Callable[[Any, str, Any], None]) -> None:
    for call in (start_instance_refresh, describe_instance_refreshes, cancel_instance_refresh):
        put(AutoScalingResponse, call.__name__, call)
