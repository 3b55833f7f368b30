"""Messages of the instance to its autoscaling group: lifecycle hooks and its health."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent import log
from agent.aws import clients
from agent.config import Config
from agent.facts import InstanceFacts

if TYPE_CHECKING:
    from mypy_boto3_autoscaling import AutoScalingClient

CONTINUE = "CONTINUE"


class Hooks:
    """Completes and extends the hooks that wait for this instance, and reports bad health."""

    def __init__(self, client: AutoScalingClient, config: Config, facts: InstanceFacts) -> None:
        self._client = client
        self._config = config
        self._instance_id = facts.instance_id

    def complete(self, hook: str) -> None:
        """Let the group go on. It is no error if the hook is not active: it may have timed out."""
        from botocore.exceptions import ClientError

        with clients.as_agent_error(f"completion of hook {hook}"):
            try:
                self._client.complete_lifecycle_action(
                    LifecycleHookName=hook,
                    AutoScalingGroupName=self._config.group,
                    InstanceId=self._instance_id,
                    LifecycleActionResult=CONTINUE,
                )
                log.info("hook completed", hook=hook)
            except ClientError as error:
                if clients.code(error) != "ValidationError":
                    raise
                log.info("no active hook", hook=hook, answer=error)

    def heartbeat(self, hook: str) -> None:
        """Restart the hook's time limit. Raises `AgentError`."""
        with clients.as_agent_error(f"heartbeat of hook {hook}"):
            self._client.record_lifecycle_action_heartbeat(
                LifecycleHookName=hook,
                AutoScalingGroupName=self._config.group,
                InstanceId=self._instance_id,
            )

    def report_unhealthy(self) -> None:
        """Have the group replace this instance. Raises `AgentError`."""
        with clients.as_agent_error("report of bad health"):
            self._client.set_instance_health(
                InstanceId=self._instance_id,
                HealthStatus="Unhealthy",
                ShouldRespectGracePeriod=True,
            )
