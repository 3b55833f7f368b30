"""The log of scaling activities, which is always empty in moto.

Upstream: no issue known.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Final

from moto.autoscaling.models import Activity, FakeAutoScalingGroup

KEPT: Final = 500
_log: deque[Activity] = deque(maxlen=KEPT)


def record(group: FakeAutoScalingGroup, description: str, cause: str) -> None:
    activity = Activity(description, cause, group, status_code="Successful")
    activity.progress = 100
    _log.appendleft(activity)


def of_group(name: str | None) -> list[dict[str, Any]]:
    """Newest first, as DescribeScalingActivities returns them."""
    return [
        {
            "ActivityId": a.activity_id,
            "AutoScalingGroupName": a.auto_scaling_group_name,
            "Description": a.description,
            "Cause": a.cause,
            "StartTime": a.start_time,
            "EndTime": a.end_time,
            "StatusCode": a.status_code,
            "Progress": a.progress,
        }
        for a in list(_log)
        if name in (None, a.auto_scaling_group_name)
    ]
