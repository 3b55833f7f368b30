"""Call records: as a router sends them, and as router-confd has stored them."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from testbed.router_confd.instance import Instance, Site


def record(site: Site, **more: Any) -> dict[str, Any]:
    """A record of a call in the tenant of the site; `more` adds fields or changes them."""
    return {
        "tenant_uuid": site.uuid,
        "source_ip": "10.0.0.1",
        "source_port": "5060",
        "from_uri": "sip:a@b",
        "to_uri": "sip:c@d",
        "call_id": uuid4().hex,
        "call_start": 1_600_000_000,
        "duration": "60",
    } | more


def send(confd: Instance, body: dict[str, Any]) -> Any:
    """The response to a router that sends this record."""
    return confd.kamailio.post("/1.0/kamailio/cdr", json=body)


def stored(site: Site) -> list[Any]:
    """Every record of the site's tenant, as the management API shows it."""
    items = site.client.get("/1.0/cdrs", params={"limit": 100_000}).json()["items"]
    return [item for item in items if item["tenant_uuid"] == site.uuid]
