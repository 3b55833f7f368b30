"""Create the routing data of the demo through router-confd's management API.

`python -m demo.provision` runs inside the local cloud, where the API can be reached. It reads a
`Plan` as JSON from standard input, so that no argument list has a secret, and prints its changes.
Objects that are already as planned are not changed.
"""

from __future__ import annotations

import sys

from pydantic import BaseModel

from common import ports
from demo.api import Access, Api


class Carrier(BaseModel):
    """A carrier with one trunk; with a user name its trunk logs in by digest."""

    name: str
    address: str
    username: str | None = None
    password: str | None = None
    realm: str | None = None


class Pbx(BaseModel):
    """A PBX: its domain, its address, and the numbers that are routed to it.

    With a user name, it has to authenticate its own calls by digest. `routes` has the carriers
    for these calls by the prefix of the number, first choice first.
    """

    domain: str
    address: str
    port: int = ports.SIP_DEFAULT
    did_regex: str
    username: str | None = None
    password: str | None = None
    routes: dict[str, tuple[str, ...]] = {}


class Plan(Access):
    """The objects that a tenant needs for the demo's calls. The first carrier owns the DIDs."""

    carriers: list[Carrier]
    pbxs: list[Pbx]


def provision(plan: Plan) -> None:
    """Create or update tenant, carriers, and each PBX with its domain, numbers and routes.

    Routes of a PBX that are not planned are deleted.
    """
    api = Api(plan)
    tenant = plan.tenant_uuid
    api.ensure("tenants", ("uuid",), {"name": plan.tenant_name, "uuid": tenant})
    trunks = {carrier.name: _trunk(api, tenant, carrier) for carrier in plan.carriers}
    for pbx in plan.pbxs:
        _pbx(api, tenant, pbx, trunks, owner=trunks[plan.carriers[0].name])


def _trunk(api: Api, tenant: str, carrier: Carrier) -> int:
    """Id of the carrier's trunk."""
    row = api.ensure("carriers", ("name",), {"name": carrier.name, "tenant_uuid": tenant})
    body = {
        "name": f"{carrier.name}-trunk",
        "tenant_uuid": tenant,
        "carrier_id": row["id"],
        "sip_proxy": carrier.address,
        "ip_address": carrier.address,
    }
    if carrier.username:
        body |= {
            "auth_username": carrier.username,
            "auth_password": carrier.password,
            "realm": carrier.realm,
        }
    return int(api.ensure("carrier_trunks", ("name",), body)["id"])


def _pbx(api: Api, tenant: str, pbx: Pbx, trunks: dict[str, int], owner: int) -> None:
    domain = api.ensure("domains", ("domain",), {"domain": pbx.domain, "tenant_uuid": tenant})
    body = {
        "tenant_uuid": tenant,
        "domain_id": domain["id"],
        "ip_fqdn": pbx.address,
        "port": pbx.port,
        "ip_address": pbx.address,
    }
    if pbx.username:
        body |= {"username": pbx.username, "password": pbx.password}
    ipbx = api.ensure("ipbxs", ("domain_id",), body)
    did = {
        "tenant_uuid": tenant,
        "ipbx_id": ipbx["id"],
        "carrier_trunk_id": owner,
        "did_regex": pbx.did_regex,
    }
    api.ensure("dids", ("did_regex",), did)
    wanted = set()
    for prefix, carriers in pbx.routes.items():
        for priority, carrier in enumerate(carriers, 1):
            rule = {
                "ipbx_id": ipbx["id"],
                "prefix": prefix,
                "carrier_trunk_id": trunks[carrier],
                "priority": priority,
                "route_type": "pstn",
            }
            keys = ("ipbx_id", "prefix", "carrier_trunk_id")
            wanted.add(api.ensure("routing-rules", keys, rule)["id"])
    for rule in api.items("routing-rules"):  # rules of an older plan would be tried as well
        if rule["ipbx_id"] == ipbx["id"] and rule["id"] not in wanted:
            api.call("DELETE", f"/1.0/routing-rules/{rule['id']}")
            print(f"routing-rules: deleted {rule['prefix']}")


if __name__ == "__main__":
    try:
        provision(Plan.model_validate_json(sys.stdin.read()))
    except RuntimeError as error:
        sys.exit(f"router-confd: {error}")
