"""How many calls a tenant, a PBX or a trunk may have. The routers count; this states the limits.

Each limit has a stable key, under which all routers count together. The key is sent without
numbers too, because a deployment may have default limits for those that have none of their own.
"""

from __future__ import annotations

from router_confd.directory.rows import Ipbx, Tenant, Trunk
from router_confd.directory.store import Directory
from router_confd.resources.schemas.kamailio import AuthReply
from router_confd.routing.reply import Limit, Limits


def of_source(directory: Directory, caller: AuthReply) -> Limits:
    """The limits that apply to a call of this authenticated caller."""
    result: Limits = {}
    if tenant := directory.tenants.get(caller.tenant_uuid or ""):
        result["tenant"] = _limit(f"tenant:{tenant.uuid}", tenant)
    if ipbx := directory.ipbxs.rows.get(caller.ipbx_id or 0):
        result["source"] = of_ipbx(ipbx)
    elif trunk := directory.trunks.rows.get(caller.carrier_trunk_id or 0):
        result["source"] = of_trunk(trunk)
    return result


def of_ipbx(ipbx: Ipbx) -> Limit:
    return _limit(f"ipbx:{ipbx.id}", ipbx)


def of_trunk(trunk: Trunk) -> Limit:
    return _limit(f"carrier_trunk:{trunk.id}", trunk)


def _limit(key: str, row: Tenant | Ipbx | Trunk) -> Limit:
    result: Limit = {"key": key}
    if row.max_calls is not None:
        result["max_calls"] = row.max_calls
    if row.max_cps is not None:
        result["max_cps"] = row.max_cps
    return result
