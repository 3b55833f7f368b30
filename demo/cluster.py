"""A deployment on the local cloud, as an operator sees it.

Everything here uses the real programs on the machines: Consul's catalogue, Kamailio's RPC.
"""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from common import ports
from common.names import service_name
from common.topology import CONSUL_SERVER, Tier
from demo import kamcmd
from host.command_error import CommandError
from host.errors import HostError
from lab.api import Lab, Machine
from settings import Deployment, Tenant

POLL_S = 0.5
REFRESHING = {"Pending", "InProgress", "Cancelling", "RollbackInProgress"}
ROUTER_VARIABLE = "router"  # dialog variable of the SBC (kamailio/sbc.cfg.j2)
_PACKETS = re.compile(r"^rtpengine_packets_total(?:\{[^}]*\})? (\S+)$", re.MULTILINE)
CONSUL_SERVICE = "consul"  # the servers themselves, as Consul lists them


@dataclass(frozen=True)
class Entry:
    """One instance of a Consul service; `failing` names the checks that do not pass."""

    service: str
    node: str
    address: str
    zone: str
    checks: int
    failing: tuple[str, ...]

    @property
    def healthy(self) -> bool:
        return self.checks > 0 and not self.failing


@dataclass(frozen=True)
class Health:
    """Consul's entries compared with the instances that the settings require.

    `entries` are those of existing machines. `departed` are failing entries of machines that do
    not exist any more, which Consul keeps for some time.
    """

    wanted: dict[str, int]
    entries: dict[str, list[Entry]]
    departed: tuple[Entry, ...] = ()

    def passing(self, service: str) -> list[Entry]:
        return [entry for entry in self.entries.get(service, []) if entry.healthy]

    @property
    def ok(self) -> bool:
        """True when every service has enough passing instances, and no failing one."""
        return all(
            len(self.passing(service)) >= count
            and len(self.passing(service)) == len(self.entries.get(service, []))
            for service, count in self.wanted.items()
        )

    @property
    def healthy(self) -> int:
        """The number of required instances that pass."""
        return sum(min(len(self.passing(name)), count) for name, count in self.wanted.items())

    @property
    def summary(self) -> str:
        waiting = [
            f"{name} {len(self.passing(name))}/{count}"
            for name, count in self.wanted.items()
            if len(self.passing(name)) < count or len(self.entries[name]) > len(self.passing(name))
        ]
        text = f"{self.healthy} of {sum(self.wanted.values())} instances pass their checks"
        return text + (f"; waiting for {', '.join(waiting)}" if waiting else "")


class LocalDeployment:
    """The machines of one deployment in one lab."""

    def __init__(self, lab: Lab, deployment: Deployment) -> None:
        self.lab, self.deployment = lab, deployment

    # --- machines ------------------------------------------------------------------------
    def machines(self, tenant: str | None, role: str) -> list[Machine]:
        """Machines that are up, in the order of their addresses."""
        found = self.lab.machines(tenant=tenant, role=role)
        running = [machine for machine in found if machine.state == "running"]
        return sorted(running, key=lambda m: tuple(int(part) for part in m.private_ip.split(".")))

    def refreshing(self) -> list[str]:
        """Groups whose instances are being replaced, each with its progress."""
        client = self.lab.client("autoscaling")
        found = []
        for group in client.describe_auto_scaling_groups()["AutoScalingGroups"]:
            name = group["AutoScalingGroupName"]
            runs = client.describe_instance_refreshes(AutoScalingGroupName=name)
            found += [
                f"{name} {run.get('PercentageComplete', 0)} %"
                for run in runs["InstanceRefreshes"]
                if run["Status"] in REFRESHING
            ]
        return found

    def run(self, machine: Machine, *command: str, timeout: float = 10) -> str:
        """Output of a command on a machine. Raises `CommandError` when it fails."""
        done = self.lab.exec(machine, list(command), timeout=timeout)
        if done.returncode != 0:
            problem = (done.stderr or done.stdout).strip()[-500:]
            raise CommandError(
                f"{machine.role} {machine.instance_id}: {' '.join(command)}: {problem}"
            )
        return done.stdout

    # --- Consul --------------------------------------------------------------------------
    def wanted(self) -> dict[str, int]:
        """The number of instances that the settings require, by Consul service."""
        wanted = {CONSUL_SERVICE: self.deployment.consul.servers}
        for tenant in self.deployment.tenants:
            for tier in Tier:
                wanted[service_name(tenant.name, tier)] = tenant.size(tier).initial
        return wanted

    def health(self) -> Health:
        """The state in Consul now; while no server answers, all services are empty."""
        wanted = self.wanted()
        base = f"http://127.0.0.1:{ports.CONSUL_HTTP.number}/v1/health/service/"
        command = ["curl", "--silent", "--fail", "--max-time", "2", *(base + s for s in wanted)]
        existing = {machine.private_ip for machine in self.lab.machines()}
        for server in self.machines(None, CONSUL_SERVER):
            done = self.lab.exec(server, command, timeout=10)
            if done.returncode == 0:
                found = [_entry(item) for answer in _documents(done.stdout) for item in answer]
                break
        else:
            found = []
        entries: dict[str, list[Entry]] = {service: [] for service in wanted}
        for entry in found:
            if entry.address in existing:
                entries[entry.service].append(entry)
        departed = (e for e in found if e.address not in existing and not e.healthy)
        return Health(wanted, entries, tuple(departed))

    def wait_healthy(
        self, say: Callable[[str], None], *, timeout: float = 300, check: Callable[[], None]
    ) -> Health:
        """Wait until all required instances pass; `check` may raise to give up early.

        Raises `CommandError`, which names the missing instances, after `timeout` seconds in which
        no further instance has passed: on a busy machine everything takes longer.
        """
        end = time.monotonic() + timeout
        most = 0
        while True:
            check()
            health = self.health()
            say(health.summary)
            if health.healthy > most:
                most, end = health.healthy, time.monotonic() + timeout
            if health.ok:
                if not (refreshes := self.refreshing()):
                    return health
                say(f"instance refresh: {', '.join(refreshes)}")
            if time.monotonic() > end:
                raise CommandError(
                    f"no progress for {timeout:.0f} s: {health.summary}\n"
                    + "\n".join(self._complaints(health)),
                    "look at a machine: ./c4 demo logs INSTANCE; make demo goes on waiting",
                )
            time.sleep(POLL_S)

    def _complaints(self, health: Health) -> Iterator[str]:
        """One line per unhealthy or unregistered machine: its failing checks, its last warning."""
        entries = {entry.address: entry for found in health.entries.values() for entry in found}
        for machine in self.lab.machines():
            entry = entries.get(machine.private_ip)
            if entry and entry.healthy:
                continue
            problem = f"failing: {', '.join(entry.failing)}" if entry else "not in Consul"
            try:
                command = ["journalctl", "-b", "-p", "warning", "-n", "1", "-o", "cat"]
                warning = self.lab.exec(machine, command, timeout=10).stdout.strip()[:300]
            except (HostError, subprocess.TimeoutExpired) as error:
                warning = str(error)
            yield f"  {machine.instance_id} ({machine.role}): {problem}; {warning}"

    # --- Kamailio ------------------------------------------------------------------------
    def destinations(self, sbc: Machine) -> list[kamcmd.Destination]:
        """The dispatcher list that the SBC's Kamailio has loaded."""
        return kamcmd.destinations(self.run(sbc, "kamcmd", "dispatcher.list"))

    def invites(self, tenant: Tenant, tier: Tier = Tier.ROUTER) -> dict[str, int]:
        """INVITEs that each instance of a tier has received, by private address."""
        counts = {}
        for machine in self.machines(tenant.name, tier.value):
            done = self.lab.exec(machine, ["kamcmd", "stats.get_statistics", "core:"], timeout=10)
            if done.returncode == 0:
                counts[machine.private_ip] = kamcmd.statistic(
                    done.stdout, "core:rcv_requests_invite"
                )
        return counts

    def router_of(self, tenant: Tenant, call_id: str) -> Machine | None:
        """The router that carries a call, from the SBCs' dialogs; None if no SBC has one yet."""
        routers = {m.private_ip: m for m in self.machines(tenant.name, Tier.ROUTER.value)}
        for sbc in self.machines(tenant.name, Tier.SBC.value):
            done = self.lab.exec(sbc, ["kamcmd", "dlg.list"], timeout=10)
            chosen = kamcmd.variable(kamcmd.dialog(done.stdout, call_id), ROUTER_VARIABLE)
            if kamcmd.host_of(chosen) in routers:
                return routers[kamcmd.host_of(chosen)]
        return None

    # --- rtpengine -----------------------------------------------------------------------
    def relayed_packets(self, machine: Machine) -> int:
        """RTP packets that a machine's rtpengine has relayed since it started."""
        url = f"http://{machine.private_ip}:{ports.RTPENGINE_HTTP.number}/metrics"
        text = self.run(machine, "curl", "--silent", "--fail", "--max-time", "5", url)
        return sum(int(float(count)) for count in _PACKETS.findall(text))


def _documents(text: str) -> Iterator[list[dict[str, object]]]:
    """The JSON arrays that curl printed one after the other."""
    decoder, position = json.JSONDecoder(), 0
    while position < len(text):
        document, position = decoder.raw_decode(text, position)
        yield document
        while position < len(text) and text[position].isspace():
            position += 1


def _entry(item: dict[str, object]) -> Entry:
    node, service, checks = item["Node"], item["Service"], item["Checks"]
    assert isinstance(node, dict) and isinstance(service, dict) and isinstance(checks, list)
    return Entry(
        service=service["Service"],
        node=node["Node"],
        address=service["Address"] or node["Address"],
        zone=(service["Meta"] or {}).get("zone", ""),
        checks=len(checks),
        failing=tuple(check["Name"] for check in checks if check["Status"] != "passing"),
    )
