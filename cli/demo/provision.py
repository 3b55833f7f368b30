"""Routing data of the demo, created through router-confd's management API.

`python -m cli.demo.provision` runs inside the local cloud, where the API can be reached; it
reads a `Plan` as JSON from standard input (so that the key is in no argument list) and prints
what it did. Objects that are there already stay as they are.
"""

from __future__ import annotations

import ssl
import sys
import time
from typing import Any

import httpx
from pydantic import BaseModel

ATTEMPTS = 20  # about 20 s: the first start runs the database's migrations


class Pbx(BaseModel):
    """A PBX: its domain, where it answers, and the numbers that lead to it."""

    domain: str
    address: str
    port: int = 5060
    did_regex: str


class Plan(BaseModel):
    """What one tenant needs for the calls of the demo."""

    urls: list[str]  # management API of each router-confd instance
    api_key: str
    ca_certificate: str  # PEM; what the API's certificates must be signed by
    tenant_uuid: str
    tenant_name: str
    carrier: str
    carrier_address: str
    pbxs: list[Pbx]


class Api:
    """The management API, by whichever instance answers."""

    def __init__(self, plan: Plan) -> None:
        self._urls = plan.urls
        self._client = httpx.Client(
            headers={"X-API-Key": plan.api_key},
            verify=ssl.create_default_context(cadata=plan.ca_certificate),
            timeout=5,
            trust_env=False,
        )

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """JSON answer. Raises `RuntimeError` when no instance gives a usable one."""
        problem = ""
        for attempt in range(ATTEMPTS):
            url = self._urls[attempt % len(self._urls)] + path
            try:
                answer = self._client.request(method, url, json=body)
            except httpx.HTTPError as error:
                problem = f"{method} {url}: {error}"
            else:
                if answer.status_code == 200:
                    return answer.json()
                problem = f"{method} {url}: {answer.status_code} {answer.text[:300]}"
                if answer.status_code < 500:
                    break
            time.sleep(1)
        raise RuntimeError(problem)

    def ensure(self, path: str, keys: tuple[str, ...], body: dict[str, Any]) -> dict[str, Any]:
        """The object of `path` whose `keys` are those of `body`, created when it is missing."""
        page = self.call("GET", f"/1.0/{path}?offset=0&limit=1000")
        for item in page["items"]:
            if all(str(item.get(key)) == str(body[key]) for key in keys):
                return dict(item)
        created = self.call("POST", f"/1.0/{path}", body)
        print(f"{path}: created {', '.join(str(body[key]) for key in keys)}")
        return dict(created)


def provision(plan: Plan) -> None:
    """Create tenant, carrier, trunk, and each PBX with its domain and numbers."""
    api = Api(plan)
    tenant = plan.tenant_uuid
    api.ensure("tenants", ("uuid",), {"name": plan.tenant_name, "uuid": tenant})
    carrier = api.ensure("carriers", ("name",), {"name": plan.carrier, "tenant_uuid": tenant})
    trunk = api.ensure(
        "carrier_trunks",
        ("name",),
        {
            "name": f"{plan.carrier}-trunk",
            "tenant_uuid": tenant,
            "carrier_id": carrier["id"],
            "sip_proxy": plan.carrier_address,
            "ip_address": plan.carrier_address,
        },
    )
    for pbx in plan.pbxs:
        domain = api.ensure("domains", ("domain",), {"domain": pbx.domain, "tenant_uuid": tenant})
        ipbx = api.ensure(
            "ipbxs",
            ("domain_id",),
            {
                "tenant_uuid": tenant,
                "domain_id": domain["id"],
                "ip_fqdn": pbx.address,
                "port": pbx.port,
                "ip_address": pbx.address,
            },
        )
        api.ensure(
            "dids",
            ("did_regex",),
            {
                "tenant_uuid": tenant,
                "ipbx_id": ipbx["id"],
                "carrier_trunk_id": trunk["id"],
                "did_regex": pbx.did_regex,
            },
        )


if __name__ == "__main__":
    try:
        provision(Plan.model_validate_json(sys.stdin.read()))
    except RuntimeError as error:
        sys.exit(f"router-confd: {error}")
