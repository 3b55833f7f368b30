"""The agent's daemon: health endpoint, life cycle, repetition of lists, metrics."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from agent import (
    active,
    apply,
    aws,
    confd,
    eip,
    health,
    kamcmd,
    log,
    metrics,
    plane,
    pool,
    relays,
    sbc_tls,
)
from agent.config import Config, Kind
from agent.drain import Drain
from agent.errors import AgentError
from agent.every import Every
from agent.facts import Facts
from agent.hooks import Hooks
from agent.imds import Imds
from agent.local_consul import LocalConsul
from agent.probes import ProbeFailed
from agent.registrations import Registrations
from agent.remains import Remains
from agent.selfcheck import SelfCheck
from agent.sources import Sources
from common import paths
from common.names import TAG_TENANT, sources_key

if TYPE_CHECKING:
    from agent.quorum import Quorum

TICK_S = 2.0
WATCH_S = 1.0  # a router must have left every list 5 s after the group's wish
CREDENTIALS_INTERVAL_S = 300.0
REGISTRATION_INTERVAL_S = 30.0
SELF_CHECK_INTERVAL_S = 10.0
PEERS_INTERVAL_S = 5.0
RELAYS_INTERVAL_S = 2.0
REMAINS_INTERVAL_S = 300.0  # more than `end_timeout` and Kamailio's own round of 90 s
POOL_INTERVAL_S = 60.0
SERVER_INTERVAL_S = 5.0
CONFD_INTERVAL_S = 5.0  # of the routers' questions to router-confd about more than calls
LIFECYCLE = "autoscaling/target-lifecycle-state"
SPOT = "spot/instance-action"
PURCHASE = "instance-life-cycle"


class Daemon:
    """Everything that is done while the instance lives, in threads that mostly sleep."""

    def __init__(self, config: Config, facts: Facts, imds: Imds, consul: LocalConsul) -> None:
        self._config = config
        self._facts = facts
        self._imds = imds
        self._consul = consul
        self._launched = False
        self._spot: bool | None = None
        self._refused: dict[str, str] = {}
        self._early: dict[str, str] = {}
        self._renewed = False
        self._pool_changed = False
        self._draining = False
        own = str(facts.private_ip)
        self._registrations = Registrations(own, lambda: plane.of(consul, config.tags))

    def run(self) -> None:
        """Serve until the group wants the instance to stop; serve on while it drains."""
        health.HealthServer(
            self._config.ports.agent, health.probes_of(self._config, self._facts)
        ).start()
        # A step may wait for AWS; the group's wish is seen in time all the same.
        threading.Thread(target=self._tick, name="steps", daemon=True).start()
        while not self._stopping():
            time.sleep(WATCH_S)
        self.drain()  # should it break off, systemd starts us again, and we go on
        threading.Event().wait()  # the machine is switched off any moment

    def drain(self) -> None:
        """Drain the instance and complete the terminating hook."""
        self._draining = True
        config = self._config
        Drain(
            consul=self._consul,
            hooks=self._hooks(),
            hook=config.hook_terminating,
            limit_s=config.drain_s,
            active_calls=lambda: active.bound(config, self._facts),
            unsent_records=lambda: active.unsent(config),
            vacate=self._vacate,
        ).run()

    def _vacate(self) -> None:
        config = self._config
        if config.public_address:
            eip.vacate(aws.client("ec2", config.region), config.tags, self._facts.instance_id)

    def _steps(self) -> list[Every]:
        kind = self._config.kind
        steps = [
            Every(TICK_S, self._launch),
            Every(TICK_S, self._lists),
            Every(REGISTRATION_INTERVAL_S, self._register),
        ]
        if (probe := health.own_probe(self._config, self._facts)) is not None:
            check = SelfCheck(
                probe, self._consul.peers_are_well, lambda: self._hooks().report_unhealthy()
            )
            steps.append(Every(SELF_CHECK_INTERVAL_S, lambda: self._check(check)))
        if kind.runs_kamailio:
            steps.append(Every(PEERS_INTERVAL_S, self._peers))
            steps.append(Every(REMAINS_INTERVAL_S, Remains().forget))
        if kind.carries_calls:
            steps.append(Every(metrics.INTERVAL_S, self._metrics))
        if kind is Kind.ROUTER:
            steps.append(Every(RELAYS_INTERVAL_S, self._relays))
            steps.append(Every(CONFD_INTERVAL_S, self._registrations.run))
            steps.append(Every(CONFD_INTERVAL_S, self._sources().run))
        if kind is Kind.SBC:
            steps.append(Every(CREDENTIALS_INTERVAL_S, self._certificate))
            steps.append(Every(POOL_INTERVAL_S, self._pool))
        if kind is Kind.CONFD:
            steps.append(Every(CREDENTIALS_INTERVAL_S, self._credentials))
        if kind is Kind.CONSUL:
            steps.append(Every(SERVER_INTERVAL_S, self._lead))
            steps.append(Every(SERVER_INTERVAL_S, self._quorum().run))
        return steps

    def _tick(self) -> None:
        steps = self._steps()
        while True:
            now = time.monotonic()
            for step in steps:
                step.run(now)
            time.sleep(TICK_S)

    def _stopping(self) -> bool:
        """True when the group, or the end of a spot instance, wants this instance gone."""
        try:
            if self._imds.get(LIFECYCLE) == "Terminated":
                return True
            if self._spot is None:
                self._spot = self._imds.get(PURCHASE) == "spot"
            return self._spot and self._imds.get(SPOT) is not None
        except AgentError as error:
            log.warning("metadata", error=error)
            return False

    def _launch(self) -> None:
        """Once the own checks pass, tell the group that the instance is in service."""
        if self._launched or self._draining:
            return
        if self._consul.in_maintenance() and not paths.MAINTENANCE.exists():
            self._consul.maintenance(False, "")  # left from before a reboot
        if not self._consul.passing():
            return
        self._hooks().complete(self._config.hook_launching)
        self._launched = True

    def _check(self, check: SelfCheck) -> None:
        """Ask for replacement of an instance that stays ill, once it was in service."""
        if self._launched and not self._draining and not paths.MAINTENANCE.exists():
            check.run()
        else:
            check.forget()

    def _register(self) -> None:
        """Register the service anew when it is well, but Consul gave it up long ago."""
        probe = health.own_probe(self._config, self._facts)
        if probe is None or self._draining or self._consul.registered():
            return
        try:
            probe()
        except ProbeFailed:
            return
        log.warning("service registered anew")
        self._consul.reload()

    def _lists(self) -> None:
        """Hand over lists that Kamailio did not take at their time, e.g. while it started."""
        for name, digest in apply.pending(self._config.lists).items():
            if self._refused.get(name) == digest:
                continue
            try:
                apply.apply(name, attempts=1)
            except apply.NotYet as error:
                if self._early.get(name) != digest:
                    log.info("list not applied yet", list=name, reason=error)
                self._early[name] = digest
            except apply.RpcFailed as error:
                log.warning("list not applied", list=name, error=error)
            except (apply.ListRefused, AgentError) as error:
                self._refused[name] = digest  # said once; another rendering is another try
                log.warning("list refused", list=name, error=error)

    def _peers(self) -> None:
        """DMQ forgets its peers when Kamailio restarts, and those that were silent for a while."""
        try:
            apply.repeat("dmq")
        except apply.RpcFailed as error:
            log.warning("peers not announced", error=error)

    def _relays(self) -> None:
        try:
            relays.revive()
        except kamcmd.RpcFailed as error:
            log.warning("rtpengines not listed", error=error)

    def _metrics(self) -> None:
        count = active.calls(self._config, self._facts)
        if count is not None:
            metrics.publish(aws.client("cloudwatch", self._config.region), self._config, count)

    def _credentials(self) -> None:
        confd.write_credentials(self._config)

    def _certificate(self) -> None:
        """A renewed certificate, without a restart."""
        self._renewed = sbc_tls.refresh(self._config, self._facts) or self._renewed
        if not self._renewed:
            return
        try:
            log.info("certificate renewed", reply=kamcmd.rpc(sbc_tls.RELOAD))
            self._renewed = False
        except apply.RpcFailed as error:
            log.warning("certificate not reloaded", error=error)

    def _pool(self) -> None:
        """Public addresses that the tier has got or lost."""
        self._pool_changed = pool.refresh(self._config) or self._pool_changed
        if not self._pool_changed:
            return
        try:
            kamcmd.rpc(pool.RELOAD)
            log.info("addresses of the tier changed")
            self._pool_changed = False
        except kamcmd.RpcFailed as error:
            log.warning("addresses of the tier not reloaded", error=error)

    def _sources(self) -> Sources:
        tags = self._config.tags
        return Sources(
            str(self._facts.private_ip),
            sources_key(tags[TAG_TENANT]),
            lambda: plane.of(self._consul, tags),
            self._consul,
        )

    def _lead(self) -> None:
        """What one of the Consul servers does for all: their leader."""
        from agent import server

        server.lead(self._config, self._facts, self._consul.api)

    def _quorum(self) -> Quorum:
        """What a Consul server does when most of the others are gone for good."""
        from agent.quorum import Quorum

        config = self._config
        assert config.recover_after_s is not None
        return Quorum(
            own=self._facts.instance_id,
            tags=config.tags,
            api=self._consul.api,
            ec2=lambda: aws.client("ec2", config.region),
            limit_s=config.recover_after_s,
        )

    def _hooks(self) -> Hooks:
        return Hooks(aws.client("autoscaling", self._config.region), self._config, self._facts)
