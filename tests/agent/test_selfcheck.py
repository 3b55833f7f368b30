"""Is an instance replaced that does not recover, and only such a one?"""

from __future__ import annotations

import pytest

from agent.checks.probes import ProbeFailed
from agent.checks.selfcheck import LIMIT_S, SelfCheck


class Instance:
    """An instance whose service is well or ill, with its peers, in simulated time."""

    def __init__(self) -> None:
        self.now = 0.0
        self.well = True
        self.peers = True
        self.requests = 0
        self.check = SelfCheck(
            self._probe, lambda: self.peers, self._replace, clock=lambda: self.now
        )

    def _probe(self) -> str:
        if not self.well:
            raise ProbeFailed("no answer within 0.8 s")
        return "well"

    def _replace(self) -> None:
        self.requests += 1

    def pass_time(self, seconds: float, step: float = 10) -> None:
        end = self.now + seconds
        while self.now < end:
            self.check.run()
            self.now += step


@pytest.fixture
def instance() -> Instance:
    return Instance()


def test_a_well_instance_stays(instance: Instance) -> None:
    instance.pass_time(10 * LIMIT_S)
    assert instance.requests == 0


def test_an_instance_that_does_not_recover_is_replaced(instance: Instance) -> None:
    instance.well = False
    instance.pass_time(LIMIT_S)
    assert instance.requests == 0
    instance.pass_time(20)
    assert instance.requests == 1


def test_a_restart_of_the_service_is_no_reason(instance: Instance) -> None:
    for _ in range(20):
        instance.well = False
        instance.pass_time(LIMIT_S - 20)
        instance.well = True
        instance.pass_time(20)
    assert instance.requests == 0


def test_a_fault_that_all_have_replaces_nobody(instance: Instance) -> None:
    instance.well = instance.peers = False
    instance.pass_time(10 * LIMIT_S)
    assert instance.requests == 0


def test_the_request_is_repeated_only_after_another_limit(instance: Instance) -> None:
    instance.well = False
    instance.pass_time(2 * LIMIT_S + 30)
    assert instance.requests == 2


def test_a_service_that_was_stopped_on_purpose_begins_anew(instance: Instance) -> None:
    instance.well = False
    instance.pass_time(LIMIT_S - 10)
    instance.check.forget()
    instance.pass_time(LIMIT_S - 10)
    assert instance.requests == 0
