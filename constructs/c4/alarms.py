"""Alarms for groups and databases that need a person."""

from __future__ import annotations

from collections.abc import Mapping

from cdktf_cdktf_provider_aws.cloudwatch_metric_alarm import CloudwatchMetricAlarm
from constructs import Construct

PERIOD_S = 60
GIB = 1024**3


class GroupAlarms(Construct):
    """Too few instances in service for minutes, or (of a group that scales) none left to add."""

    def __init__(
        self, scope: Construct, id_: str, *, topic: str, group: str, min_size: int, max_size: int
    ) -> None:
        super().__init__(scope, id_)
        dimensions = {"AutoScalingGroupName": group}
        _alarm(
            self,
            "too_few",
            name=f"{group}-too-few-instances",
            text=f"fewer than {min_size} instances of {group} in service for 5 minutes",
            namespace="AWS/AutoScaling",
            metric="GroupInServiceInstances",
            dimensions=dimensions,
            comparison="LessThanThreshold",
            threshold=min_size,
            minutes=5,
            missing="breaching",  # a group that is gone reports nothing
            topic=topic,
        )
        if max_size > min_size:
            _alarm(
                self,
                "at_maximum",
                name=f"{group}-at-maximum",
                text=f"{group} has had its {max_size} instances for 15 minutes; raise `max`",
                namespace="AWS/AutoScaling",
                metric="GroupDesiredCapacity",
                dimensions=dimensions,
                comparison="GreaterThanOrEqualToThreshold",
                threshold=max_size,
                minutes=15,
                missing="missing",
                topic=topic,
            )


class DatabaseAlarms(Construct):
    """Alarms when storage runs out, or when the CPU is busy for long."""

    def __init__(
        self, scope: Construct, id_: str, *, topic: str, instance: str, storage_gb: int
    ) -> None:
        super().__init__(scope, id_)
        dimensions = {"DBInstanceIdentifier": instance}
        _alarm(
            self,
            "storage",
            name=f"{instance}-database-storage",
            text=f"the database {instance} has less than a tenth of its storage left",
            namespace="AWS/RDS",
            metric="FreeStorageSpace",
            dimensions=dimensions,
            comparison="LessThanThreshold",
            threshold=storage_gb * GIB // 10,
            minutes=5,
            missing="missing",
            topic=topic,
        )
        _alarm(
            self,
            "cpu",
            name=f"{instance}-database-cpu",
            text=f"the CPU of the database {instance} is above 90 % for 15 minutes",
            namespace="AWS/RDS",
            metric="CPUUtilization",
            dimensions=dimensions,
            comparison="GreaterThanThreshold",
            threshold=90,
            minutes=15,
            missing="missing",
            topic=topic,
        )


def _alarm(
    scope: Construct,
    id_: str,
    *,
    name: str,
    text: str,
    namespace: str,
    metric: str,
    dimensions: Mapping[str, str],
    comparison: str,
    threshold: int,
    minutes: int,
    missing: str,
    topic: str,
) -> None:
    """Every minute of `minutes` must breach; the topic hears of the end, too."""
    CloudwatchMetricAlarm(
        scope,
        id_,
        alarm_name=name,
        alarm_description=text,
        namespace=namespace,
        metric_name=metric,
        dimensions=dict(dimensions),
        statistic="Average",
        period=PERIOD_S,
        evaluation_periods=minutes,
        comparison_operator=comparison,
        threshold=threshold,
        treat_missing_data=missing,
        alarm_actions=[topic],
        ok_actions=[topic],
    )
