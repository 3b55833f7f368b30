"""Consul servers and agents of a deployment on loopback addresses, configured by its own files.

The templates and the secrets are those of instances; only paths, the address of the API and the
way to find each other are replaced. Each node is an instance in EC2 too.
"""

from __future__ import annotations

import json
import random
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import boto3
import pytest
import requests
from consul.exceptions import ConsulException
from consul.std import Consul

import settings
from agent.config import Config, Secrets
from agent.consul import credentials
from agent.consul.leader import lead
from agent.consul.quorum import Quorum
from agent.errors import AgentError
from agent.facts import InstanceFacts
from common import paths, ports
from common.names import TAG_DEPLOYMENT, TAG_ROLE, node_prefix, token_secret
from common.topology import CONSUL_SERVER, Role, Tier
from rendering.instance import InstanceContext
from rendering.templates import render
from testbed.agent_samples import FACTS, config
from testbed.consul.program import consul_program

DEPLOYMENT = "demo"
TENANT = "acme"
AGENT_SECRET = f"c4/{DEPLOYMENT}/consul/agent"
SERVER_SECRET = f"c4/{DEPLOYMENT}/consul/server"
TOKEN_SECRET = token_secret(DEPLOYMENT, TENANT, Tier.ROUTER)
SERVER_TAGS = {TAG_DEPLOYMENT: DEPLOYMENT, TAG_ROLE: CONSUL_SERVER}
POLL_S = 0.2


@dataclass
class Node:
    """A server or an agent; `process` is None while it does not run."""

    instance_id: str
    address: IPv4Address
    folder: Path
    server: bool
    program: Path
    process: subprocess.Popen[bytes] | None = None

    @property
    def name(self) -> str:
        prefix = node_prefix(CONSUL_SERVER) if self.server else node_prefix(TENANT, Tier.ROUTER)
        return prefix + self.instance_id

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def facts(self) -> InstanceFacts:
        return FACTS.model_copy(
            update={"instance_id": self.instance_id, "private_ip": self.address}
        )

    def api(self, token: str | None = None) -> Any:
        """A client of it; without `token` with the one that its configuration gives to anybody."""
        return Consul(host=str(self.address), port=ports.CONSUL_HTTP.number, token=token)

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def kill(self) -> None:
        """As a machine that loses its power: nobody is told, and the data stays."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(60)
            self.process = None


@dataclass
class LoopbackCluster:
    """Nodes in a network of 127.0.0.0/8 of their own, which is a subnet in EC2."""

    folder: Path
    monkeypatch: pytest.MonkeyPatch
    region: str
    network: str = field(
        default_factory=lambda: f"127.{random.randint(1, 254)}.{random.randint(0, 254)}"
    )
    nodes: list[Node] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.ec2 = boto3.client("ec2", region_name=self.region)
        cidr = f"{self.network}.0/24"
        vpc = self.ec2.create_vpc(CidrBlock=cidr)["Vpc"]["VpcId"]
        self._subnet = self.ec2.create_subnet(VpcId=vpc, CidrBlock=cidr)["Subnet"]["SubnetId"]
        client = boto3.client("secretsmanager", region_name=self.region)
        for name in (AGENT_SECRET, SERVER_SECRET, TOKEN_SECRET):
            with suppress(client.exceptions.ResourceExistsException):  # of another test's cluster
                client.create_secret(Name=name)

    def start(
        self, *, server: bool, join: Iterable[Node] = (), program: Path | None = None
    ) -> Node:
        """A new machine with an empty disk, which knows the addresses of `join`.

        Its Consul is `program`, or the one of all tests.
        """
        number = len(self.nodes) + 10  # EC2 keeps the first addresses of a subnet for itself
        address = f"{self.network}.{number}"
        tags = SERVER_TAGS if server else {TAG_DEPLOYMENT: DEPLOYMENT}
        reservation = self.ec2.run_instances(
            ImageId="ami-12c6146b", MinCount=1, MaxCount=1, SubnetId=self._subnet,
            PrivateIpAddress=address,
            TagSpecifications=[{
                "ResourceType": "instance",
                "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
            }],
        )  # fmt: skip
        node = Node(
            reservation["Instances"][0]["InstanceId"],
            IPv4Address(address),
            self.folder / f"node-{number}",
            server,
            program or consul_program(),
        )
        self.nodes.append(node)
        self._write(node, [str(other.address) for other in join])
        self.run(node)
        return node

    def run(self, node: Node) -> None:
        """Start a node's Consul with the data that it has."""
        with (node.folder / "log").open("a") as log:
            node.process = subprocess.Popen(
                [
                    node.program, "agent", f"-config-dir={node.folder / 'etc'}",
                    f"-config-dir={node.folder / 'run'}",
                ],
                stdout=log, stderr=log,
            )  # fmt: skip

    def lose(self, *nodes: Node) -> None:
        """Machines that die, and that the group has done away with."""
        for node in nodes:
            node.kill()
        self.ec2.terminate_instances(InstanceIds=[node.instance_id for node in nodes])

    def _write(self, node: Node, join: list[str]) -> None:
        etc, run = node.folder / "etc", node.folder / "run"
        for folder in (etc, run, run / "tls", node.data):
            folder.mkdir(parents=True)
        with self._paths(node):
            credentials.write_all(self._config(node), node.facts)
        text = render(f"consul/{'server' if node.server else 'agent'}.hcl.j2", _context(node))
        text = text.replace(str(paths.CONSUL), str(run)).replace(
            str(paths.CONSUL_DATA), str(node.data)
        )
        text = text.replace('"127.0.0.1"', f'"{node.address}"')
        lines = [line for line in text.splitlines() if not line.startswith("retry_join ")]
        (etc / "consul.hcl").write_text("\n".join([*lines, f"retry_join = {json.dumps(join)}"]))
        own = {
            "node_name": node.name,
            "bind_addr": str(node.address),
            "node_meta": {"role": CONSUL_SERVER if node.server else "router"},
        }
        (etc / "node.json").write_text(json.dumps(own))

    @contextmanager
    def _paths(self, node: Node) -> Iterator[None]:
        """The paths of an instance, in the node's folder."""
        with self.monkeypatch.context() as patch:
            patch.setattr(paths, "CONSUL", node.folder / "run")
            patch.setattr(paths, "CONSUL_TLS", node.folder / "run" / "tls")
            patch.setattr(paths, "CONSUL_TOKENS", node.folder / "tokens.json")
            patch.setattr("shutil.chown", lambda *_: None)
            yield

    def _config(self, node: Node) -> Config:
        if node.server:
            return config(
                role=Role.CONSUL_SERVER, service=None, region=self.region, tags=SERVER_TAGS,
                secrets=Secrets(consul_agent=AGENT_SECRET, consul_server=SERVER_SECRET),
            )  # fmt: skip
        secrets = Secrets(consul_agent=AGENT_SECRET, consul_tier=TOKEN_SECRET)
        return config(region=self.region, secrets=secrets)

    def lead(self, node: Node) -> None:
        """One round of what the agent of a server does as the leader's; raises `AgentError`."""
        with self._paths(node):
            lead(self._config(node), node.facts, node.api(self.management()))

    def quorum(self, node: Node, limit_s: float) -> Quorum:
        """What the agent of a server watches."""
        return Quorum(
            own=node.instance_id, tags=SERVER_TAGS, api=node.api(self.management()),
            ec2=lambda: self.ec2, limit_s=limit_s, recovery=node.folder / "peers.json",
        )  # fmt: skip

    def recover(self, node: Node) -> bool:
        """What c4-quorum.service does when the agent has decided; False when it has not."""
        decision = node.folder / "peers.json"
        if not decision.exists():
            return False
        decision.rename(node.data / "raft" / "peers.json")
        node.kill()
        self.run(node)
        return True

    def management(self) -> str:
        """The management token, as a server's agent reads it."""
        node = next(node for node in self.nodes if node.server)
        text = (node.folder / "tokens.json").read_text(encoding="utf-8")
        return str(json.loads(text)["management"])

    def leader(self, among: Iterable[Node]) -> Node | None:
        """The one of these that leads, when all of them know it."""
        found = set()
        for node in among:
            try:
                found.add(str(node.api().status.leader()).rpartition(":")[0])
            except (ConsulException, requests.RequestException):
                return None
        if len(found) != 1:
            return None
        return next((node for node in self.nodes if str(node.address) in found), None)

    def stop(self) -> None:
        self.lose(*self.nodes)


def _context(node: Node) -> InstanceContext:
    deployment = settings.load(DEPLOYMENT)
    if node.server:
        return InstanceContext.of_consul_server(deployment)
    return InstanceContext.of_tier(deployment, deployment.tenants[0], Tier.ROUTER, ())


def wait(condition: Callable[[], object], seconds: float, what: str) -> float:
    """Seconds until `condition` held; when Consul refuses something, it does not."""
    began = time.monotonic()
    while True:
        with suppress(ConsulException, requests.RequestException, AgentError):
            if condition():
                return time.monotonic() - began
        assert time.monotonic() - began < seconds, f"not within {seconds:.0f} s: {what}"
        time.sleep(POLL_S)
