"""Tasks of every role: enter service, keep lists and registration, check the own service."""

from __future__ import annotations

import time
from collections.abc import Callable

from agent import log
from agent.checks.probes import ProbeFailed
from agent.checks.selfcheck import SelfCheck
from agent.errors import AgentError
from agent.instance import Instance
from agent.kamailio import consul_template
from agent.kamailio.kamcmd import RpcFailed
from agent.kamailio.service_lists import ListDamaged, ListRefused, NotYet, ServiceLists
from agent.scheduler import Task
from common import paths

ROUND_S = 2.0
REGISTRATION_INTERVAL_S = 30.0
SELF_CHECK_INTERVAL_S = 10.0
RENDERING_INTERVAL_S = 10.0


def tasks(instance: Instance) -> list[Task]:
    """Launch, lists and registration; the self-check only for roles with a service of their own."""
    found = [
        Task(ROUND_S, Launch(instance).run),
        Task(ROUND_S, Lists(instance).run),
        Task(REGISTRATION_INTERVAL_S, Registration(instance).run),
    ]
    if (probe := instance.own_probe()) is not None:
        check = SelfCheck(
            probe, instance.consul.peers_are_healthy, lambda: instance.hooks().report_unhealthy()
        )
        found.append(Task(SELF_CHECK_INTERVAL_S, Watch(instance, check).run))
    return found


class Launch:
    """Tells the group that the instance is in service, once its own checks pass."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance

    def run(self) -> None:
        instance = self._instance
        if instance.launched or instance.draining:
            return
        if instance.consul.in_maintenance() and not paths.MAINTENANCE.exists():
            instance.consul.maintenance(False, "")  # it was set before a reboot
        if not instance.consul.passing():
            return
        instance.hooks().complete(instance.config.hook_launching)
        instance.launched = True


class Lists:
    """Hands over lists that Kamailio did not accept when rendered, e.g. while it was starting.

    A list that is refused is rendered again: once, as it may be what the catalogue says, and for a
    damaged file every `RENDERING_INTERVAL_S`.
    """

    def __init__(
        self,
        instance: Instance,
        lists: ServiceLists | None = None,
        render_again: Callable[[], None] = consul_template.render_again,
    ) -> None:
        self._names = instance.config.lists
        self._lists = lists or ServiceLists(attempts=1)
        self._render_again = render_again
        self._rendered_at = -RENDERING_INTERVAL_S
        self._refused: dict[str, str] = {}  # list -> digest
        self._damaged: set[str] = set()  # of these, those whose file is damaged
        self._not_yet: dict[str, str] = {}

    def run(self) -> None:
        ask = False
        for name, digest in self._lists.pending(self._names).items():
            if self._refused.get(name) == digest:
                ask = ask or name in self._damaged
                continue
            try:
                self._lists.apply(name)
            except NotYet as error:
                if self._not_yet.get(name) != digest:
                    log.info("list not applied yet", list=name, reason=error)
                self._not_yet[name] = digest
            except RpcFailed as error:
                log.warning("list not applied", list=name, error=error)
            except (ListRefused, AgentError) as error:
                self._refused[name] = digest  # logged once; another rendering is tried again
                log.warning("list refused", list=name, error=error)
                self._damaged.discard(name)
                if isinstance(error, ListDamaged):
                    self._damaged.add(name)
                ask = True
            else:
                self._refused.pop(name, None)
        if ask and time.monotonic() - self._rendered_at >= RENDERING_INTERVAL_S:
            self._rendered_at = time.monotonic()
            self._render_again()


class Registration:
    """Registers the service again when it is healthy, but Consul no longer has it."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance

    def run(self) -> None:
        instance = self._instance
        probe = instance.own_probe()
        if probe is None or instance.draining or instance.consul.registered():
            return
        try:
            probe()
        except ProbeFailed:
            return
        log.warning("service registered again")
        instance.consul.reload()


class Watch:
    """Runs the self-check while the instance is in service."""

    def __init__(self, instance: Instance, check: SelfCheck) -> None:
        self._instance = instance
        self._check = check

    def run(self) -> None:
        if self._instance.in_service:
            self._check.run()
        else:
            self._check.forget()
