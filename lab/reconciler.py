"""Keeps the machines equal to the instances and databases that exist in moto."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path
from typing import Final

from host.errors import HostError
from lab.aws import views
from lab.aws.autoscaling import groups, refresh_api
from lab.aws.views import InstanceView
from lab.machines.databases import Databases, DatabaseView
from lab.machines.machine import MachineSpec, NspawnMachine, remove
from lab.names import ELASTIC_IPS, Names
from lab.network import firewall
from lab.network.networks import CloudNetwork, Leg

log = logging.getLogger(__name__)
TICK: Final = 0.5  # seconds
RETRY: Final = 5.0  # seconds, after a machine could not be started
EARLY: Final = 5.0  # seconds; a machine that dies sooner has not booted
LONGEST_HOLD: Final = 60.0  # seconds
STOPPERS: Final = 8  # machines that shut down at the same time


class Reconciler:
    """Boots, stops and replaces the machines of a lab. One thread calls `run`."""

    def __init__(
        self,
        names: Names,
        network: CloudNetwork,
        layers: tuple[Path, ...],
        databases: Databases,
        boot: bool = True,
    ) -> None:
        self._boot = boot
        self._names = names
        self._network = network
        self._layers = layers
        self._databases = databases
        self._machines: dict[str, NspawnMachine] = {}
        self._passwords: dict[str, str] = {}
        self._stopping: dict[str, Future[None]] = {}
        self._pool = ThreadPoolExecutor(STOPPERS, "stop")
        self._translation: object = None
        self._enforced: dict[str, str] = {}
        self._retry_at: dict[str, float] = {}
        self._early_deaths = 0
        self._hold_until = 0.0

    def run(self, stop: threading.Event) -> None:
        """Tick until `stop` is set, then cut the power of all machines."""
        while not stop.wait(TICK):
            try:
                self.tick()
            except Exception:  # one bad object in moto must not affect all others
                log.exception("reconciler")
        for machine in self._machines.values():
            self._pool.submit(_logged, machine.remove)
        self._pool.shutdown()

    def tick(self) -> None:
        """Compare the machines with moto once, and start or stop what differs."""
        with views.MOTO:
            groups.tick(lambda instance: instance in self._machines or not self._boot)
            refresh_api.tick()
            if not self._boot:
                return
            instances = {view.id: view for view in views.instances()}
            databases = {view.machine_id: view for view in self._databases.views()}
            rules = self._rules([*instances.values(), *databases.values()])
            subnets = views.subnet_ids()
        self._stopping = {k: f for k, f in self._stopping.items() if not f.done()}
        for machine in [m for m in self._machines if m not in instances | databases]:
            log.info("%s: no longer in moto, stopping it", machine)
            self._stop(machine)
        for machine in [m for m, it in self._machines.items() if not it.alive]:
            self._died(machine, instances.pop(machine, None))
        for instance in instances.values():
            if instance.id not in self._machines:
                self._start(instance.id, lambda i=instance: self._instance(i))  # type: ignore[misc]
        for database in databases.values():
            self._database(database)
        self._enforce(rules)
        self._translate(list(instances.values()))
        if not self._stopping:
            self._network.keep_subnets(subnets)

    def _start(self, machine_id: str, spec: Callable[[], MachineSpec]) -> None:
        now = time.monotonic()
        if machine_id in self._stopping or now < self._retry_at.get(machine_id, self._hold_until):
            return
        try:
            machine = NspawnMachine(self._names, spec())
            machine.start(self._network)
        except (HostError, OSError):
            log.exception("%s: cannot boot; next attempt in %.0f s", machine_id, RETRY)
            remove(self._names, machine_id, keep_disk=True)
            self._retry_at[machine_id] = time.monotonic() + RETRY
            return
        self._machines[machine_id] = machine
        log.info("%s: booting with %s", machine_id, machine.spec.leg.address)

    def _stop(self, machine_id: str) -> None:
        machine = self._machines.pop(machine_id)
        self._stopping[machine_id] = self._pool.submit(_logged, machine.stop)

    def _died(self, machine_id: str, instance: InstanceView | None) -> None:
        """Handle a machine that ended by itself: its group replaces it, a database boots again."""
        machine = self._machines.pop(machine_id)
        log.warning("%s: died %.0f s after its start", machine_id, machine.age)
        self._early_deaths = self._early_deaths + 1 if machine.age < EARLY else 0
        if self._early_deaths >= 3:  # the host cannot run machines, so slow down
            self._hold_until = time.monotonic() + min(2**self._early_deaths, LONGEST_HOLD)
            log.error("machines die during their boot; see %s; waiting", self._names.log_dir)
        machine.remove(keep_disk=instance is None)
        if instance is not None:
            with views.MOTO:
                for region, ec2 in views.backends("ec2"):
                    if region == instance.region:
                        ec2.terminate_instances([machine_id])
                groups.lost([machine_id])

    def _instance(self, view: InstanceView) -> MachineSpec:
        return MachineSpec(
            id=view.id,
            subnet_id=view.subnet_id,
            bridge=self._network.ensure_subnet(view.subnet_id, view.subnet),
            leg=Leg(
                namespace=self._names.machine_ns(view.id),
                veth=self._names.veth(view.id),
                address=IPv4Interface((view.private_ip, view.subnet.prefixlen)),
                gateway=view.subnet[1],
                mac=view.mac,
            ),
            hostname=view.hostname,
            layers=self._layers,
        )

    def _database(self, view: DatabaseView) -> None:
        machine_id = view.machine_id
        if machine_id not in self._machines:
            bridge = self._network.ensure_subnet(view.subnet_id, view.subnet)
            self._start(machine_id, lambda: self._databases.machine(view, bridge))
            self._passwords[machine_id] = view.password
        elif self._passwords[machine_id] != view.password:
            self._databases.set_password(view)
            self._passwords[machine_id] = view.password
            log.info("%s: the master password was rotated", machine_id)

    def _rules(self, all_of_them: Sequence[InstanceView | DatabaseView]) -> dict[str, str]:
        """The firewall rules of each machine."""
        members: dict[str, set[IPv4Address]] = {}
        for view in all_of_them:
            for group in view.security_group_ids:
                members.setdefault(group, set()).add(view.address)
        known = views.security_groups(members)
        return {
            view.machine_id: firewall.ruleset(view.security_group_ids, known, view.subnet[1])
            for view in all_of_them
        }

    def _enforce(self, rules: dict[str, str]) -> None:
        for machine_id, text in rules.items():
            if machine_id in self._machines and self._enforced.get(machine_id) != text:
                firewall.enforce(self._machines[machine_id], text)
                self._enforced[machine_id] = text
        self._enforced = {m: t for m, t in self._enforced.items() if m in self._machines}

    def _translate(self, instances: list[InstanceView]) -> None:
        public = {
            i.public_ip: i.private_ip
            for i in instances
            if i.public_ip is not None and i.public_ip in ELASTIC_IPS
        }
        vpcs = sorted({str(i.vpc) for i in instances})
        if self._translation != (public, vpcs):
            self._network.translate(public, vpcs)
            self._translation = (public, vpcs)


def _logged(action: Callable[[], None]) -> None:
    try:
        action()
    except Exception:
        log.exception("stopping a machine")
