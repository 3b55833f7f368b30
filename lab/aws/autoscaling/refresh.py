"""Instance refresh: replaces instances one by one, within the health limits.

Upstream: no issue known.
"""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from moto.autoscaling.models import FakeAutoScalingGroup

from lab.aws.autoscaling import groups
from lab.aws.autoscaling.group_instance import GroupInstance


@dataclass
class Refresh:
    """One refresh of a group. Times are time.monotonic(), percentages of the desired capacity."""

    group: str
    skip_matching: bool = False
    min_healthy: int = 90
    max_healthy: int = 100
    warmup: float = 0.0
    checkpoints: list[int] = field(default_factory=list)  # percentages at which it pauses
    checkpoint_delay: float = 3600.0
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    status: str = "InProgress"
    started: float = field(default_factory=time.monotonic)
    start_time: datetime = field(default_factory=lambda: datetime.now(UTC))
    end_time: datetime | None = None
    resume_at: float = 0.0
    percentage: int = 0
    left: int = 0

    @classmethod
    def of(cls, group: str, preferences: dict[str, Any]) -> Refresh:
        """A refresh with the Preferences of StartInstanceRefresh."""
        values = {
            "skip_matching": str(preferences.get("SkipMatching", "")).lower() == "true",
            "min_healthy": int(preferences.get("MinHealthyPercentage", 90)),
            "max_healthy": int(preferences.get("MaxHealthyPercentage", 100)),
            "warmup": float(preferences.get("InstanceWarmup", 0)),
            "checkpoints": sorted(int(p) for p in preferences.get("CheckpointPercentages", [])),
            "checkpoint_delay": float(preferences.get("CheckpointDelay", 3600)),
        }
        return cls(group, **values)  # type: ignore[arg-type]

    @property
    def open(self) -> bool:
        return self.end_time is None

    def end(self, status: str) -> None:
        self.status, self.end_time = status, datetime.now(UTC)

    def described(self) -> dict[str, Any]:
        """The refresh as DescribeInstanceRefreshes shows it."""
        shown = {
            "InstanceRefreshId": self.id,
            "AutoScalingGroupName": self.group,
            "Status": self.status,
            "StartTime": self.start_time,
            "PercentageComplete": self.percentage,
            "InstancesToUpdate": self.left,
        }
        return shown | ({"EndTime": self.end_time} if self.end_time else {})

    def old(self, group: FakeAutoScalingGroup) -> list[GroupInstance]:
        """Active instances that have not been replaced yet."""
        template = group.ec2_launch_template
        current = template.get_version(group.launch_template_version).number if template else None
        return [
            s
            for s in groups.active(group)
            if s.launched < self.started and not (self.skip_matching and s.version == current)
        ]

    def step(self, group: FakeAutoScalingGroup, now: float | None = None) -> None:
        """Do the next thing that is possible now: start one replacement, pause, or end."""
        now = time.monotonic() if now is None else now
        active, old = groups.active(group), self.old(group)
        size = max(group.desired_capacity or 0, 1)
        self.left = len(old)
        self.percentage = 100 * (size - min(len(old), size)) // size
        settled = all(
            s.in_service is not None and (s in old or now - s.in_service >= self.warmup)
            for s in active
        )
        if not settled:
            return
        if not old and len(active) > size:
            groups.fill(group)
        elif not old:
            self.end("Successful")
        elif now < self.resume_at:
            return
        elif self.checkpoints and self.percentage >= self.checkpoints[0]:
            self.checkpoints = [c for c in self.checkpoints if c > self.percentage]
            self.resume_at = now + self.checkpoint_delay
        else:
            self._replace(group, old[0], len(active), size)

    def _replace(
        self, group: FakeAutoScalingGroup, victim: GroupInstance, active: int, size: int
    ) -> None:
        # Launching the new instance first keeps all healthy. It is done if the preferences ask for
        # it, or if one instance less would be below the minimum, as for two with 90 percent.
        launch_first = self.max_healthy > 100 or (active - 1) * 100 < self.min_healthy * size
        if launch_first and active <= size:
            groups.launch(group, 1)
            return
        groups.terminate(group, victim, f"instance refresh {self.id}")
        groups.fill(group)
