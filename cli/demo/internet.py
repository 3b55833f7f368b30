"""The internet side of the demo: a carrier, and PBXs that answer. Numbers and domains of each."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from cli.cluster import Cluster
from cli.demo.provision import Pbx, Plan
from cli.errors import CliError
from lab.api import Lab
from lab.hosts import Host
from settings import Tenant
from settings.facts import CONFD_API_PORT, Tier, secret_name
from settings.load import ROOT

CARRIER_ADDRESS = "198.51.100.10"
PBX_ADDRESS = "198.51.100.20"
MEDIA_PBX_ADDRESS = "198.51.100.21"

DID = "39040100200"  # a number of the PBX
MEDIA_DID = "39041100200"  # a number of the PBX that plays a voice
UNKNOWN_DID = "39999000111"


@dataclass(frozen=True)
class Internet:
    """Hosts outside the VPC."""

    carrier: Host
    pbx: Host
    media_pbx: Host

    @classmethod
    def of(cls, lab: Lab) -> Internet:
        return cls(
            carrier=lab.host("carrier", CARRIER_ADDRESS),
            pbx=lab.host("pbx", PBX_ADDRESS),
            media_pbx=lab.host("mediapbx", MEDIA_PBX_ADDRESS),
        )


def pbx_domain(tenant: Tenant) -> str:
    """SIP domain of the tenant's PBX."""
    return f"pbx.{tenant.name}.example"


def plan(cluster: Cluster, tenant: Tenant) -> Plan:
    """Routing data of a tenant, and where and with which key to create it."""
    secrets = cluster.lab.client("secretsmanager")
    name = secret_name(cluster.deployment.deployment, tenant.name, Tier.CONFD.value)
    secret = json.loads(secrets.get_secret_value(SecretId=name)["SecretString"])
    instances = cluster.machines(tenant.name, Tier.CONFD.value)
    return Plan(
        urls=[f"https://{machine.private_ip}:{CONFD_API_PORT}" for machine in instances],
        api_key=secret["api_key"],
        ca_certificate=secret["ca_certificate"],
        tenant_uuid=str(_uuid4_of(f"c4-{cluster.deployment.deployment}-{tenant.name}")),
        tenant_name=tenant.name,
        carrier="carrier",
        carrier_address=CARRIER_ADDRESS,
        pbxs=[
            Pbx(domain=pbx_domain(tenant), address=PBX_ADDRESS, did_regex="^39040[0-9]{6}$"),
            Pbx(
                domain=f"media.{tenant.name}.example",
                address=MEDIA_PBX_ADDRESS,
                did_regex="^39041[0-9]{6}$",
            ),
        ],
    )


def provision(cluster: Cluster, tenant: Tenant) -> str:
    """Create the routing data from inside the cloud; returns what was created."""
    wanted = plan(cluster, tenant)
    process = cluster.lab.cloud_popen(
        [sys.executable, "-m", "cli.demo.provision"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        output, problem = process.communicate(wanted.model_dump_json(), timeout=60)
    except BaseException:
        process.kill()
        process.wait()
        raise
    if process.returncode != 0:
        raise CliError(
            f"routing data of {tenant.name} could not be created: {problem.strip()[-800:]}",
            "look at router-confd's log: ./c4 demo logs router-confd",
        )
    return _last(output.splitlines())


def _last(lines: Sequence[str]) -> str:
    return lines[-1] if lines else "all objects were there already"


def _uuid4_of(name: str) -> uuid.UUID:
    """A stable UUID that says it is version 4, as router-confd demands."""
    return uuid.UUID(bytes=uuid.uuid5(uuid.NAMESPACE_URL, name).bytes, version=4)
