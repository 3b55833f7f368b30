"""Facts that Kamailio's configuration, the agent and router-confd must agree about."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Final

from common.topology import Tier

# Lists that consul-template renders from the catalogue and `c4-agent apply` hands to Kamailio.
# Most names are also that of the db_text table.
DISPATCHER_LIST: Final = "dispatcher.list"  # routers
DRAINING_ROUTERS: Final = "draining-routers"
PROVISIONED_SOURCES: Final = "provisioned-sources"
DMQ_PEERS: Final = "dmq"
RTPENGINE_LIST: Final = "rtpengine"
ROUTER_CONFD_LIST: Final = "router-confd"
LISTS: Final[dict[Tier, tuple[str, ...]]] = {
    Tier.SBC: (DRAINING_ROUTERS, DISPATCHER_LIST, DMQ_PEERS, PROVISIONED_SOURCES),
    Tier.ROUTER: (RTPENGINE_LIST, ROUTER_CONFD_LIST, DMQ_PEERS),
}

# Last line of a list as consul-template renders it: a list without it was cut off.
LIST_END: Final = "# end of list"

# db_text tables that the agent writes itself.
DOMAIN_TABLE: Final = "domain"  # the tier's public addresses
UACREG_TABLE: Final = "uacreg"  # registrations at carriers, as router-confd lists them

# First lines of db_text tables.
HTABLE_HEAD: Final = (
    "id(int,auto) key_name(string) key_type(int) value_type(int) key_value(string) expires(int)"
)
RTPENGINE_HEAD: Final = "id(int,auto) setid(int) url(string) weight(int) disabled(int) stamp(int)"
DOMAIN_HEAD: Final = "id(int,auto) domain(string) did(string,null)"
DOMAIN_ATTRIBUTES_HEAD: Final = "id(int,auto) did(string) name(string) type(int) value(string)"
# Version 5 of the table, in the order that Kamailio 5.6 to 6.x reads it. db_text takes an empty
# value for NULL, and drops the whole table when the column does not allow it.
UACREG_HEAD: Final = (
    "id(int) l_uuid(string) l_username(string) l_domain(string) r_username(string)"
    " r_domain(string) realm(string,null) auth_username(string) auth_password(string)"
    " auth_ha1(string,null) auth_proxy(string) expires(int) flags(int) reg_delay(int)"
    " contact_addr(string,null) socket(string,null)"
)

# Dispatcher sets of the SBC.
DISPATCHER_SET_NEW: Final = 1  # routers that take new calls
DISPATCHER_SET_ALL: Final = 2  # routers for requests within dialogs
DISPATCHER_SET_LAST: Final = 3  # as 1, but never probed: used when the probes find all dead
WEIGHT: Final = 50  # of an instance among those of its tier, unless Consul has another weight

# A node numbers its dialogs from the low 16 bits of its address in steps of this size, which leaves
# room for every address of a VPC (/16, the largest that AWS allows). Two nodes never use the same
# number, and the number of a dialog tells which node created it.
NODE_ID_STEP: Final = 65_536
# rtpengine set for calls whose rtpengine died. The sets below it are those of single rtpengines,
# numbered by `node_id`.
RTPENGINE_SET_MOVED: Final = NODE_ID_STEP

RINGING_LIMIT_S: Final = 600  # maximum of the setting for the ringing time
RINGING_MARGIN_S: Final = 60  # from the end of ringing to the end of the transaction


def node_id(address: IPv4Address) -> int:
    """Number of a node, unique in the VPC: 1 to 65535, the low 16 bits of its private address."""
    return int(address) % NODE_ID_STEP
