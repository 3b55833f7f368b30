"""The CloudWatch metric that scaling policies use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.aws import clients
from agent.config import Config

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch import CloudWatchClient

INTERVAL_S = 60


def publish(client: CloudWatchClient, config: Config, active_calls: int) -> None:
    """Send the number of active calls, by autoscaling group. Raises `AgentError`."""
    with clients.as_agent_error("metric"):
        client.put_metric_data(
            Namespace=config.metric_namespace,
            MetricData=[
                {
                    "MetricName": config.metric_active_calls,
                    "Dimensions": [{"Name": "AutoScalingGroupName", "Value": config.group}],
                    "Value": active_calls,
                    "Unit": "Count",
                }
            ],
        )
