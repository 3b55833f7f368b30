"""Remove everything that a lab has on this host, even after a crash."""

from __future__ import annotations

import shutil
from collections.abc import Callable

from host import netns
from lab.machines import cgroups, machine
from lab.names import Names


def sweep(names: Names, progress: Callable[[str], None] = lambda _: None) -> None:
    """Kill its processes and remove control groups, namespaces and files. Logs stay."""
    group = cgroups.root() / names.cgroup
    if cgroups.processes(group):
        progress("ending the remaining machines")
    cgroups.kill(group)
    machines = names.state / "machines"
    for directory in sorted(machines.iterdir()) if machines.is_dir() else []:
        machine.remove(names, directory.name)
    for namespace in netns.with_prefix(names.prefix):
        netns.delete(namespace)
    for entry in names.state.iterdir() if names.state.is_dir() else []:
        if entry == names.log_dir:
            continue
        if entry.is_dir():
            shutil.rmtree(entry)
        else:
            entry.unlink()
