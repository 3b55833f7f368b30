"""Faults, made and ended; each says whether it is there."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

import pytest

from demo import kamcmd
from lab.api import Machine
from testbed.deployment.world import World

KAMAILIO = "kamailio.service"
TABLE = "c4_fault"
POLL_S = 0.2


def wait(condition: Callable[[], bool], seconds: float, what: str) -> float:
    """Seconds until `condition` held; fails the test when it does not within `seconds`."""
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > seconds:
            pytest.fail(f"not within {seconds:.0f} s: {what}")
        time.sleep(POLL_S)
    return time.monotonic() - began


def terminate(world: World, machine: Machine) -> None:
    """The group ends the instance: it is told, and drains."""
    world.lab.client("autoscaling").terminate_instance_in_auto_scaling_group(
        InstanceId=machine.instance_id, ShouldDecrementDesiredCapacity=False
    )


def power_cut(world: World, machine: Machine) -> None:
    """Every process of the machine dies at once."""
    world.lab.kill(machine)


@contextmanager
def hung(world: World, machines: Sequence[Machine], unit: str) -> Iterator[None]:
    """All processes of a service stand still, with their sockets open."""
    with ExitStack() as stack:
        for machine in machines:
            stack.callback(_signal, world, machine, unit, "SIGCONT")
            _signal(world, machine, unit, "SIGSTOP")
            states = _states(world, machine, unit)
            assert states and set(states) == {"T"}, f"{machine.role} {unit}: {states}"
        yield


def kill_service(world: World, machine: Machine, unit: str) -> Callable[[], bool]:
    """Kill all processes of a service at once; tells whether systemd has started it again."""
    before = _main_process(world, machine, unit)
    assert before > 0, f"{unit} did not run"
    _signal(world, machine, unit, "SIGKILL")
    return lambda: _main_process(world, machine, unit) not in (0, before)


def _main_process(world: World, machine: Machine, unit: str) -> int:
    return int(world.cluster.run(machine, "systemctl", "show", "-P", "MainPID", unit))


def invites_of(world: World, machine: Machine) -> int:
    """INVITEs that a machine has received."""
    text = world.cluster.run(machine, "kamcmd", "stats.get_statistics", "core:")
    return kamcmd.statistic(text, "core:rcv_requests_invite")


def _signal(world: World, machine: Machine, unit: str, signal: str) -> None:
    world.cluster.run(machine, "systemctl", "kill", f"--signal={signal}", unit)


def _states(world: World, machine: Machine, unit: str) -> list[str]:
    """States of a service's processes, as ps shows them."""
    script = (
        f"for p in $(cat /sys/fs/cgroup$(systemctl show -P ControlGroup {unit})/cgroup.procs); "
        "do cut -d' ' -f3 /proc/$p/stat; done"
    )
    return world.cluster.run(machine, "sh", "-c", script).split()


@contextmanager
def lossy(world: World, machines: Sequence[Machine], percent: int) -> Iterator[Callable[[], int]]:
    """Each of the machines loses packets of the others; yields a counter of the lost ones."""

    def rules(of: Machine) -> str:
        """What a machine sends to itself crosses no network."""
        others = ", ".join(m.private_ip for m in machines if m is not of)
        return (
            f"table inet {TABLE} {{ chain input {{ type filter hook input priority -10; "
            f"ip saddr {{ {others} }} numgen random mod 100 < {percent} counter drop; }}; }}"
        )

    def lost() -> int:
        counters = [_nft(world, m, "list", "table", "inet", TABLE) for m in machines]
        return sum(int(text.split("packets ")[1].split()[0]) for text in counters)

    with ExitStack() as stack:
        for machine in machines:
            _nft(world, machine, rules(machine))
            stack.callback(_nft, world, machine, "delete", "table", "inet", TABLE)
        yield lost


def _nft(world: World, machine: Machine, *arguments: str) -> str:
    """The machine's own nft: the host's may be too old for these rules."""
    return world.cluster.run(machine, "nft", *arguments)
