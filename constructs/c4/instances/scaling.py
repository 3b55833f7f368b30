"""The scaling policies of a group."""

from __future__ import annotations

from cdktf_cdktf_provider_aws.autoscaling_policy import (
    AutoscalingPolicy,
    AutoscalingPolicyTargetTrackingConfiguration,
    AutoscalingPolicyTargetTrackingConfigurationCustomizedMetricSpecification,
    AutoscalingPolicyTargetTrackingConfigurationCustomizedMetricSpecificationMetricDimension,
    AutoscalingPolicyTargetTrackingConfigurationPredefinedMetricSpecification,
)
from constructs import Construct

from common.names import METRIC_ACTIVE_CALLS, metric_namespace

WARMUP_S = 60  # until a new instance carries its share


class ScaleOnCalls(Construct):
    """Hold the average of active calls per instance, which the agents publish.

    CPU would mislead: an instance full of quiet calls is busy, and one that is being
    scanned is not.
    """

    def __init__(
        self, scope: Construct, id_: str, *, group: str, deployment: str, calls_per_instance: int
    ) -> None:
        super().__init__(scope, id_)
        metric = AutoscalingPolicyTargetTrackingConfigurationCustomizedMetricSpecification(
            namespace=metric_namespace(deployment),
            metric_name=METRIC_ACTIVE_CALLS,
            statistic="Average",
            metric_dimension=[
                AutoscalingPolicyTargetTrackingConfigurationCustomizedMetricSpecificationMetricDimension(
                    name="AutoScalingGroupName", value=group
                )
            ],
        )
        AutoscalingPolicy(
            self,
            "policy",
            name=f"{group}-active-calls",
            autoscaling_group_name=group,
            policy_type="TargetTrackingScaling",
            estimated_instance_warmup=WARMUP_S,
            target_tracking_configuration=AutoscalingPolicyTargetTrackingConfiguration(
                target_value=calls_per_instance, customized_metric_specification=metric
            ),
        )


class ScaleOnCpu(Construct):
    """Hold the average CPU usage, percent: for stateless request handlers."""

    def __init__(self, scope: Construct, id_: str, *, group: str, percent: int) -> None:
        super().__init__(scope, id_)
        metric = AutoscalingPolicyTargetTrackingConfigurationPredefinedMetricSpecification(
            predefined_metric_type="ASGAverageCPUUtilization"
        )
        AutoscalingPolicy(
            self,
            "policy",
            name=f"{group}-cpu",
            autoscaling_group_name=group,
            policy_type="TargetTrackingScaling",
            estimated_instance_warmup=WARMUP_S,
            target_tracking_configuration=AutoscalingPolicyTargetTrackingConfiguration(
                target_value=percent, predefined_metric_specification=metric
            ),
        )
