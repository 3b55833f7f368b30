"""Make the public addresses of all SBCs of the tenant local addresses of Kamailio.

A user agent that resolves the tenant's name to several SBCs may change to another SBC during a
call, while its Route still names the first one. The list contains the whole pool of addresses,
so it also has those of SBCs that are down, or do not exist yet.
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
    """The db_text table that makes any URI with one of `addresses` local to Kamailio."""
    rows = (f"{number}:{a}:{a}\n" for number, a in enumerate(sorted(addresses), 1))
    return f"{kamailio.DOMAIN_HEAD}\n" + "".join(rows)


def refresh(config: Config, *, owner: str | None = None) -> bool:
    """Write the table from the tier's pool of Elastic IPs; True when it has changed.

    The pool cannot be empty, as this instance has one of its addresses, so an empty answer does
    not replace the table. Raises `AgentError`.
    """
    with clients.as_agent_error("pool of Elastic IPs"):
        addresses = eip.addresses(clients.client("ec2", config.region), config.tags)
    if not addresses:
        raise AgentError("pool of Elastic IPs: EC2 shows none with the tags of this tier")
    text, place = table(addresses), paths.KAMAILIO / TABLE
    if place.exists() and place.read_text(encoding="utf-8") == text:
        return False
    write_newer(place, text, owner=owner)
    return True
