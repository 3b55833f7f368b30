"""Registration of trunks: the routers' agents, and what router-confd tells them."""

from __future__ import annotations

import re
import threading

from agent.consul.service_discovery import HealthyInstances, Sbc
from agent.kamailio.registrations import Registrations
from common import ports
from common.kamailio import UACREG_HEAD
from host.netns import inside
from testbed.sip.addresses import CONFDS, SBCS
from testbed.sip.plane import Cluster, wait_until
from testbed.sip.registrar import Registrar

REGISTRAR = "198.51.100.30"
INTERVAL_S = 0.5  # of the agents' rounds; 5 s on an instance
PUBLIC = {public for _, public in SBCS.values()}


def trunk(
    number: int, *, expires: int = 60, password: str = "se:cret", port: int = ports.SIP_DEFAULT,
    parameters: str = "",
) -> str:  # fmt: skip
    """A row of router-confd's table."""
    secret = password.replace(":", "\\:")
    return (
        f"{number}:{number}:user:carrier.example:user:carrier.example:carrier.example:user:{secret}"
        f"::sip\\:{REGISTRAR}\\:{port}{parameters}:{expires}:16:0::"
    )


def _gid(plane: Cluster) -> int:
    """Kamailio's group in the image; the host may know it by another number, or not at all."""
    for layer in plane.layers:
        if (file := layer / "etc/group").exists():
            for line in file.read_text().splitlines():
                if line.startswith("kamailio:"):
                    return int(line.split(":")[2])
    raise AssertionError("the image has no group kamailio")


class Agents:
    """The part of the routers' agents that this is about, each in its router's namespace."""

    def __init__(self, plane: Cluster) -> None:
        self.plane = plane
        self.sbcs = dict(SBCS)
        self.problems: list[Exception] = []
        self._stop = threading.Event()
        self._of = {
            node.name: Registrations(
                node.address, self.seen, node.lists, rpc=node.rpc, group=_gid(plane)
            )
            for node in plane.tier("rtr")
        }
        self._thread = threading.Thread(target=self._loop, daemon=True)

    def seen(self) -> HealthyInstances:
        """What Consul would say."""
        return HealthyInstances(
            frozenset(node.address for node in self.plane.tier("rtr")),
            frozenset(Sbc(*addresses) for addresses in self.sbcs.values()),
            tuple(f"http://{a}:{ports.ROUTER_CONFD_INTERNAL.number}" for a in CONFDS),
        )

    def _loop(self) -> None:
        while not self._stop.wait(INTERVAL_S):
            for node in self.plane.tier("rtr"):
                try:
                    inside(node.namespace, self._of[node.name].run)
                except Exception as error:  # as the daemon: another round follows
                    self.problems.append(error)

    def __enter__(self) -> Agents:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


def tell(plane: Cluster, *rows: str) -> None:
    """What router-confd answers from now on."""
    for stub in plane.confds:
        stub.registrations = "\n".join((UACREG_HEAD, *rows)) + "\n"


def holders(plane: Cluster) -> dict[str, list[str]]:
    """Trunks that each router's Kamailio has."""
    found = {}
    for router in plane.tier("rtr"):
        reply = router.rpc("uac.reg_dump", check=False)
        found[router.name] = re.findall(r"l_uuid: (\S+)", reply)
    return found


def registered(registrar: Registrar, seconds: float = 8) -> None:
    """Wait until the registrar has a binding."""
    wait_until(lambda: bool(registrar.living), seconds, "a binding")
