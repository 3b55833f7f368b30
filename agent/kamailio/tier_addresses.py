"""The public addresses of all SBCs of the tenant, as Kamailio's own.

A user agent that resolves the tenant's name to several SBCs may turn to another one in the middle
of a call; its Route still names the first. Which addresses there are changes with the pool only:
an SBC that is down, or not there yet, keeps its place in the list.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address

from agent.aws import clients, eip
from agent.config import Config
from agent.errors import AgentError
from agent.files.atomic import write_newer
from common import kamailio, paths

TABLE = kamailio.DOMAIN_TABLE
RELOAD = "domain.reload"


def table(addresses: Iterable[IPv4Address]) -> str:
    """The db_text table: any URI with one of `addresses` is Kamailio's own."""
    rows = (f"{number}:{a}:{a}\n" for number, a in enumerate(sorted(addresses), 1))
    return f"{kamailio.DOMAIN_HEAD}\n" + "".join(rows)


def refresh(config: Config, *, owner: str | None = None) -> bool:
    """Write the table from the tier's pool of Elastic IPs; True when it has changed.

    An empty pool leaves the last table: it cannot be, as this instance has one of its addresses.
    Raises `AgentError`; repeat it.
    """
    with clients.one_line("pool of Elastic IPs"):
        addresses = eip.addresses(clients.client("ec2", config.region), config.tags)
    if not addresses:
        raise AgentError("pool of Elastic IPs: EC2 shows none with the tags of this tier")
    text, place = table(addresses), paths.KAMAILIO / TABLE
    if place.exists() and place.read_text(encoding="utf-8") == text:
        return False
    write_newer(place, text, owner=owner)
    return True
