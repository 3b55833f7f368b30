"""The demo's use of router-confd: it stores routing data and reads call records."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from collections import Counter
from typing import Any

from common import ports
from common.names import secret_name
from common.topology import Tier
from demo.api import Access
from demo.cluster import LocalDeployment
from demo.internet import (
    ADDRESSES,
    CARRIERS,
    LOGIN,
    LOGIN_REALM,
    MEDIA_PBX,
    PBX,
    PBX_USER,
    ROUTES,
    password,
    pbx_domain,
    trunk_user,
)
from demo.provision import Carrier, Pbx, Plan
from host.command_error import CommandError
from settings import Tenant
from settings.load import ROOT


def access(cluster: LocalDeployment, tenant: Tenant) -> Access:
    """Addresses and credentials of the management API of a tenant."""
    secrets = cluster.lab.client("secretsmanager")
    name = secret_name(cluster.deployment.deployment, tenant.name, Tier.ROUTER_CONFD.value)
    secret = json.loads(secrets.get_secret_value(SecretId=name)["SecretString"])
    instances = cluster.machines(tenant.name, Tier.ROUTER_CONFD.value)
    return Access(
        urls=[
            f"https://{machine.private_ip}:{ports.ROUTER_CONFD_API.number}" for machine in instances
        ],
        api_key=secret["api_key"],
        ca_certificate=secret["ca_certificate"],
        tenant_uuid=str(_uuid4_of(f"c4-{cluster.deployment.deployment}-{tenant.name}")),
        tenant_name=tenant.name,
    )


def plan(cluster: LocalDeployment, tenant: Tenant) -> Plan:
    """Routing data of a tenant."""
    reach = access(cluster, tenant)
    carriers = [Carrier(name=name, address=ADDRESSES[name]) for name in CARRIERS]
    login = carriers[CARRIERS.index(LOGIN)]
    login.username, login.realm = trunk_user(tenant), LOGIN_REALM
    login.password = password(reach.api_key, login.username)
    return Plan(
        **reach.model_dump(),
        carriers=carriers,
        pbxs=[
            Pbx(
                domain=pbx_domain(tenant),
                address=ADDRESSES[PBX],
                did_regex="^39040[0-9]{6}$",
                username=PBX_USER,
                password=password(reach.api_key, PBX_USER),
                routes=ROUTES,
            ),
            Pbx(
                domain=f"media.{tenant.name}.example",
                address=ADDRESSES[MEDIA_PBX],
                did_regex="^39041[0-9]{6}$",
            ),
        ],
    )


def provision(cluster: LocalDeployment, tenant: Tenant) -> str:
    """Create the routing data from inside the cloud; returns what was created."""
    wanted = plan(cluster, tenant)
    lines = _inside(cluster, ["demo.provision"], wanted).splitlines()
    return f"{len(lines)} objects created or changed" if lines else "all objects already existed"


def objects(cluster: LocalDeployment, tenant: Tenant, resource: str) -> list[dict[str, Any]]:
    """Every object of the tenant under /1.0/`resource`, as the management API shows it."""
    reach = access(cluster, tenant)
    found: list[dict[str, Any]] = json.loads(_inside(cluster, ["demo.listing", resource], reach))
    return found


def record_counts(cluster: LocalDeployment, tenant: Tenant) -> Counter[str]:
    """The number of records of each call, by Call-ID."""
    return Counter(record["call_id"] for record in objects(cluster, tenant, "cdrs"))


def _inside(cluster: LocalDeployment, module: list[str], task: Access) -> str:
    """Output of a Python module (and its arguments) run in the cloud's network; `CommandError`."""
    process = cluster.lab.cloud_popen(
        [sys.executable, "-m", *module],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        output, problem = process.communicate(task.model_dump_json(), timeout=60)
    except BaseException:
        process.kill()
        process.wait()
        raise
    if process.returncode != 0:
        raise CommandError(
            f"router-confd of {task.tenant_name} refused: {problem.strip()[-800:]}",
            "look at its log: ./c4 demo logs router-confd",
        )
    return str(output)


def _uuid4_of(name: str) -> uuid.UUID:
    """A stable UUID in the form of version 4, which router-confd requires."""
    return uuid.UUID(bytes=uuid.uuid5(uuid.NAMESPACE_URL, name).bytes, version=4)
