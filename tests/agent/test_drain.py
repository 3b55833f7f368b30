"""Does an instance that shall go keep its calls, and does it always go in the end?"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest

from agent.aws.lifecycle_hooks import Hooks
from agent.drain import HEARTBEAT_S, RECORDS_LIMIT_S, Drain
from agent.errors import AgentError
from testbed.agent_samples import FACTS, GROUP, config


class World:
    """Consul, hooks and clock, with everything that happened in order."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.events: list[str] = []
        self.broken: set[str] = set()

    def _event(self, name: str) -> None:
        if name in self.broken:
            raise AgentError(f"{name} does not work")
        self.events.append(name)

    def maintenance(self, enable: bool, reason: str) -> None:
        self._event("maintenance" if enable else "no maintenance")

    def deregister(self) -> None:
        self._event("deregister")

    def leave(self) -> None:
        self._event("leave")

    def complete(self, hook: str) -> None:
        self._event(f"complete {hook}")

    def unmark_held(self) -> None:
        self._event("unmark_held")

    def heartbeat(self, hook: str) -> None:
        self._event("heartbeat")

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def drain(
        self, state: Path, calls: Callable[[], int | None], limit: float = 3600,
        records: Callable[[], int | None] = lambda: None,
    ) -> Drain:  # fmt: skip
        return Drain(
            consul=self, hooks=self, hook="terminating", limit_s=limit, active_calls=calls,
            unconfirmed_records=records, unmark_held=self.unmark_held, state=state,
            clock=lambda: self.now, sleep=self.sleep,
        )  # fmt: skip


LEAVING = ["deregister", "leave", "unmark_held", "complete terminating"]
WITH_CALLS = ["deregister", "leave", "complete terminating"]  # which somebody may go on with


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "drain.json"


def test_an_instance_leaves_when_its_last_call_has_ended(state: Path) -> None:
    world = World()
    calls = iter([3, 2, 2, 1, 0])
    world.drain(state, lambda: next(calls)).run()
    assert world.events == ["maintenance", *LEAVING]
    assert next(calls, None) is None


def test_no_new_call_comes_before_the_wait_begins(state: Path) -> None:
    world = World()
    seen: list[list[str]] = []

    def calls() -> int:
        seen.append(list(world.events))
        return 0

    world.drain(state, calls).run()
    assert seen[0] == ["maintenance"]


def test_a_long_call_ends_the_wait_at_the_limit(state: Path) -> None:
    world = World()
    world.drain(state, lambda: 1, limit=90).run()
    assert world.events[-3:] == WITH_CALLS
    assert "unmark_held" not in world.events
    assert 90 <= world.now - 1000 < 100


def test_the_hook_is_kept_alive_while_calls_last(state: Path) -> None:
    world = World()
    world.drain(state, lambda: 1, limit=5 * HEARTBEAT_S + 10).run()
    assert world.events.count("heartbeat") == 5


def test_a_tier_without_calls_leaves_at_once(state: Path) -> None:
    world = World()
    world.drain(state, lambda: None).run()
    assert world.now - 1000 < 10


def test_what_cannot_be_counted_is_waited_for(state: Path) -> None:
    world = World()
    answers: list[int | AgentError] = [AgentError("Kamailio restarts"), 1, 0]

    def calls() -> int:
        answer = answers.pop(0)
        if isinstance(answer, AgentError):
            raise answer
        return answer

    world.drain(state, calls).run()
    assert not answers
    assert world.events == ["maintenance", *LEAVING]


def test_a_service_that_died_with_its_calls_is_not_waited_for_long(state: Path) -> None:
    world = World()

    def dead() -> int:
        raise AgentError("Kamailio does not answer")

    world.drain(state, dead, limit=3600).run()
    assert world.events == ["maintenance", "heartbeat", *WITH_CALLS]
    assert world.now - 1000 < 90


@pytest.mark.parametrize("broken", ["maintenance", "deregister", "leave", "heartbeat"])
def test_a_step_that_fails_does_not_keep_the_machine(state: Path, broken: str) -> None:
    world = World()
    world.broken = {broken}
    world.drain(state, lambda: 1, limit=HEARTBEAT_S + 5).run()
    assert world.events[-1] == "complete terminating"


def test_a_restart_of_the_agent_does_not_restart_the_limit(state: Path) -> None:
    world = World()
    state.write_text(json.dumps({"started": world.now - 80}))
    world.drain(state, lambda: 1, limit=90).run()
    assert world.now - 1000 < 15


def test_a_router_leaves_when_its_last_record_is_confirmed(state: Path) -> None:
    world = World()
    calls, records = iter([1, 0]), iter([2, 2, 1, 0])

    def unconfirmed() -> int:
        assert next(calls, None) is None, "calls that go on make records"
        assert "leave" not in world.events
        return next(records)

    world.drain(state, lambda: next(calls), records=unconfirmed).run()
    assert world.events == ["maintenance", *LEAVING]
    assert next(records, None) is None


def test_records_are_waited_for_when_a_call_has_outlasted_the_limit(state: Path) -> None:
    world = World()
    records = iter([1, 0])
    world.drain(state, lambda: 1, limit=90, records=lambda: next(records)).run()
    assert world.events[-3:] == WITH_CALLS
    assert next(records, None) is None


def test_a_record_that_nobody_takes_ends_the_wait_at_its_limit(state: Path) -> None:
    world = World()
    world.drain(state, lambda: 0, records=lambda: 1).run()
    assert world.events.count("heartbeat") == RECORDS_LIMIT_S // HEARTBEAT_S - 1
    assert world.events[-4:] == LEAVING
    assert RECORDS_LIMIT_S <= world.now - 1000 < RECORDS_LIMIT_S + 10


def test_a_router_that_died_is_not_asked_for_its_records(state: Path) -> None:
    world = World()

    def dead() -> int:
        raise AgentError("Kamailio does not answer")

    world.drain(state, dead, records=dead).run()
    assert world.now - 1000 < 90


class AutoScaling:
    """An AutoScaling client whose answers are AWS's, as botocore parses them."""

    def __init__(self, code: str | None = None) -> None:
        self.calls: list[dict[str, str]] = []
        self._code = code

    def complete_lifecycle_action(self, **arguments: str) -> dict[str, Any]:
        from botocore.exceptions import ClientError

        self.calls.append(arguments)
        if self._code:
            error: Any = {"Code": self._code, "Message": "No active Lifecycle Action found"}
            raise ClientError({"Error": error}, "CompleteLifecycleAction")
        return {}


def test_a_hook_is_completed_by_instance_and_group() -> None:
    client: Any = AutoScaling()
    Hooks(client, config(), FACTS).complete("launching")
    assert client.calls == [
        {"LifecycleHookName": "launching", "AutoScalingGroupName": GROUP,
         "InstanceId": FACTS.instance_id, "LifecycleActionResult": "CONTINUE"}
    ]  # fmt: skip


def test_a_hook_that_is_not_active_is_no_error() -> None:
    Hooks(AutoScaling("ValidationError"), config(), FACTS).complete("launching")  # type: ignore[arg-type]


def test_a_refused_completion_is_repeated_by_the_caller() -> None:
    with pytest.raises(AgentError, match="launching"):
        Hooks(AutoScaling("Throttling"), config(), FACTS).complete("launching")  # type: ignore[arg-type]


def test_the_metric_is_the_one_that_scaling_follows(aws: str) -> None:
    from agent.aws import metrics

    client = boto3.client("cloudwatch", region_name=aws)
    metrics.publish(client, config(), 7)
    (metric,) = client.list_metrics(Namespace="C4/demo")["Metrics"]
    assert metric["MetricName"] == "ActiveCalls"
    assert metric["Dimensions"] == [{"Name": "AutoScalingGroupName", "Value": GROUP}]
