"""The tasks that an instance repeats during its life: a list for each role.

The daemon is a loop that runs them. A role's module has the tasks that its instances have beside
those of every role (`agent.roles.every_role`).
"""

from __future__ import annotations

from importlib import import_module

from agent.instance import Instance
from agent.roles import every_role
from agent.scheduler import Task
from common.topology import Role

# Modules are named, so that a role does not import what only another role needs, e.g. Consul's
# access control.
_MODULES = {
    Role.SBC: "sbc",
    Role.ROUTER: "router",
    Role.RTP: "rtp",
    Role.ROUTER_CONFD: "router_confd",
    Role.CONSUL_SERVER: "consul_server",
}


def tasks(instance: Instance) -> list[Task]:
    """All tasks of the instance's role, in the order in which a round runs them."""
    own = import_module(f"{__name__}.{_MODULES[instance.config.role]}")
    found: list[Task] = own.tasks(instance)
    return [*every_role.tasks(instance), *found]
