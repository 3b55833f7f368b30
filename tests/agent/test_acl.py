"""Can a tier's instance do its work in Consul, and nothing to another tenant's or tier's?"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
import requests
from consul.exceptions import ACLPermissionDenied, ConsulException

from agent.aws import clients, secrets
from agent.consul import acl, leader, members, service_discovery
from agent.consul.acl import AccessControl
from agent.consul.local import LocalConsul
from agent.consul.service_discovery import HealthyInstances, Sbc
from agent.errors import AgentError
from common import ports
from common.names import (
    TAG_DEPLOYMENT,
    TAG_TENANT,
    key_prefix,
    provisioned_sources_key,
    service_name,
    token_secret,
)
from common.topology import Tier
from testbed.agent_samples import FACTS, config
from testbed.consul.server import MANAGEMENT, Server, consul_server

pytestmark = pytest.mark.slow  # a real Consul server

DEPLOYMENT = "demo"
OPERATOR = str(uuid.uuid4())
OTHER_SECRETS = [  # not of a tier of this deployment
    f"c4/{DEPLOYMENT}/acme/elsewhere", f"c4/{DEPLOYMENT}/acme/consul",
    f"c4/{DEPLOYMENT}/acme/consul/pbx", "c4/other/acme/consul/sbc",
]  # fmt: skip


@pytest.fixture(scope="module")
def consul(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    directory = tmp_path_factory.mktemp("consul")
    with consul_server(directory, "acme--router--i-0123456789abcdef0") as running:
        yield running


@pytest.fixture(scope="module")
def client(aws: str) -> Any:
    return boto3.client("secretsmanager", region_name=aws)


def _control(consul: Server, client: Any) -> AccessControl:
    return AccessControl(consul.api(), client, DEPLOYMENT, OPERATOR)


@pytest.fixture(scope="module")
def tokens(consul: Server, client: Any) -> dict[str, str]:
    """Token of each tier, by the name of its service, as its instances read it."""
    names = {
        service_name(tenant, tier): token_secret(DEPLOYMENT, tenant, tier)
        for tenant in ("acme", "acme-2")
        for tier in Tier
    }
    for name in (*names.values(), *OTHER_SECRETS):
        client.create_secret(Name=name)
    _control(consul, client).reconcile()
    return {
        service: json.loads(client.get_secret_value(SecretId=name)["SecretString"])["token"]
        for service, name in names.items()
    }


@pytest.mark.parametrize("tier", Tier)
def test_a_tier_registers_its_service_and_takes_it_out(
    consul: Server, tokens: dict[str, str], tier: Tier
) -> None:
    service = service_name("acme", tier)
    api = consul.api(tokens[service])
    assert api.agent.service.register(service, service_id=service, address="10.40.0.4")
    local = LocalConsul(consul.http_port, service, tokens[service])
    local.maintenance(True, "test")
    assert local.in_maintenance()
    assert not local.passing()
    local.maintenance(False, "")
    assert not local.in_maintenance()
    local.deregister()
    assert not local.registered()
    assert api.agent.service.register(service, service_id=service, address="10.40.0.4")


def test_only_other_machines_count_as_peers(consul: Server, tokens: dict[str, str]) -> None:
    api = consul.api(tokens["acme-rtp"])
    api.agent.service.register("acme-rtp", service_id="acme-rtp", address="10.40.16.4")
    local = LocalConsul(consul.http_port, "acme-rtp", tokens["acme-rtp"])
    assert local.passing() is False  # a service without a check proves nothing
    assert not local.peers_are_healthy()
    service = {"Service": "acme-rtp", "Address": "10.40.16.9"}
    answer = requests.put(
        f"http://127.0.0.1:{consul.http_port}/v1/catalog/register",
        json={"Node": "acme--rtp--i-9", "Address": "10.40.16.9", "Service": service},
        headers={"X-Consul-Token": tokens["acme-rtp"]},
        timeout=60,
    )
    assert answer.ok, answer.text
    assert local.peers_are_healthy()


@pytest.mark.parametrize("service", [service_name("acme", tier) for tier in Tier])
def test_a_tier_cannot_register_a_service_of_another(
    consul: Server, tokens: dict[str, str], service: str
) -> None:
    """Not even of a tenant whose name begins like its own."""
    others = {service_name(t, tier) for t in ("acme", "acme-2") for tier in Tier}
    for other in others - {service}:
        with pytest.raises(ACLPermissionDenied):
            consul.api(tokens[service]).agent.service.register(other, address="10.40.0.66")


def test_a_tenant_does_not_see_another(consul: Server, tokens: dict[str, str]) -> None:
    consul.api().agent.service.register("acme-2-sbc", address="10.40.0.9")
    _, own = consul.api(tokens["acme-router"]).catalog.services()
    assert "acme-sbc" in own
    assert "acme-2-sbc" not in own
    _, found = consul.api(tokens["acme-router"]).health.service("acme-2-sbc")
    assert found == []


def test_routers_tell_their_own_sbcs_who_may_call(consul: Server, tokens: dict[str, str]) -> None:
    for tenant, other in (("acme", "acme-2"), ("acme-2", "acme")):
        key = provisioned_sources_key(tenant)
        router = consul.api(tokens[f"{tenant}-router"]).kv
        assert router.put(key, tenant)
        for refused in (provisioned_sources_key(other), "c4/sources", "sources"):
            with pytest.raises(ACLPermissionDenied):
                router.put(refused, "x")
        local = LocalConsul(consul.http_port, f"{tenant}-sbc", tokens[f"{tenant}-sbc"])
        assert local.get(key) == tenant
        assert local.get(key_prefix(tenant) + "absent") is None
        for tier in (Tier.SBC, Tier.RTP, Tier.ROUTER_CONFD):
            with pytest.raises(ACLPermissionDenied):
                consul.api(tokens[service_name(tenant, tier)]).kv.put(key, "forged")
    with pytest.raises(ACLPermissionDenied):
        consul.api(tokens["acme-rtp"]).kv.get(provisioned_sources_key("acme"))


def test_an_agent_sees_who_of_its_plane_is_well(consul: Server, tokens: dict[str, str]) -> None:
    def register(service: str, address: str, status: str, **meta: str) -> None:
        found: Any = {
            "Service": service,
            "Address": address,
            "Port": ports.ROUTER_CONFD_INTERNAL.number,
            "Meta": meta,
        }
        tier = service.removeprefix("acme-2-")
        name = f"acme-2--{tier}--i-{address.replace('.', '')}"
        node: Any = {"Node": name, "Address": address}
        check = {"Node": node["Node"], "Name": "c4", "Status": status, "ServiceID": service}
        answer = requests.put(
            f"http://127.0.0.1:{consul.http_port}/v1/catalog/register",
            json=node | {"Service": found, "Check": check},
            headers={"X-Consul-Token": tokens[service]},
            timeout=60,
        )
        assert answer.ok, answer.text

    register("acme-2-router", "10.40.64.1", "passing")
    register("acme-2-router", "10.40.64.2", "critical")
    register("acme-2-sbc", "10.40.0.1", "passing", public_ip="203.0.113.1")
    register("acme-2-sbc", "10.40.0.2", "critical", public_ip="203.0.113.2")
    register("acme-2-router-confd", "10.40.64.3", "passing")
    local = LocalConsul(consul.http_port, "acme-2-router", tokens["acme-2-router"])
    assert service_discovery.healthy_instances(local, {TAG_TENANT: "acme-2"}) == HealthyInstances(
        frozenset({"10.40.64.1"}),
        frozenset({Sbc("10.40.0.1", "203.0.113.1")}),
        (f"http://10.40.64.3:{ports.ROUTER_CONFD_INTERNAL}",),
    )


def test_a_policy_of_an_older_version_gets_the_rules_of_this_one(
    consul: Server, client: Any, tokens: dict[str, str]
) -> None:
    policy = consul.api().acl.policy
    (found,) = (p for p in policy.list() if p["Name"] == "tenant-acme-router")
    policy.update(
        found["ID"], "tenant-acme-router", rules={"node_prefix": {"": {"policy": "read"}}}
    )
    kv = consul.api(tokens["acme-router"]).kv
    with pytest.raises(ACLPermissionDenied):
        kv.put(provisioned_sources_key("acme"), "x")
    _control(consul, client).reconcile()
    assert kv.put(provisioned_sources_key("acme"), "x")


def test_a_tier_cannot_touch_nodes_of_another(consul: Server, tokens: dict[str, str]) -> None:
    """The test's server is a router of acme: its agent obeys those, and nobody else."""
    assert consul.api(tokens["acme-router"]).agent.reload()
    for other in ("acme-2-router", "acme-sbc", "acme-router-confd"):
        with pytest.raises(ACLPermissionDenied):
            consul.api(tokens[other]).agent.reload()
    for node, status in (
        ("acme--router--i-1", 200),
        ("acme--sbc--i-1", 403),
        ("acme--router-confd--i-1", 403),
        ("acme-2--router--i-1", 403),
        ("consul--i-1", 403),
    ):
        answer = requests.put(  # py-consul sends a field that Consul does not know
            f"http://127.0.0.1:{consul.http_port}/v1/catalog/register",
            json={"Node": node, "Address": "10.40.0.66"},
            headers={"X-Consul-Token": tokens["acme-router"]},
            timeout=60,
        )
        assert answer.status_code == status, node


@pytest.mark.parametrize("service", ["acme-router", "acme-2-sbc"])
def test_a_tier_cannot_make_tokens(consul: Server, tokens: dict[str, str], service: str) -> None:
    with pytest.raises(ACLPermissionDenied):
        consul.api(tokens[service]).acl.token.create(policies_name=["global-management"])


def test_nobody_without_a_token_sees_anything(consul: Server) -> None:
    _, services = consul.api(None).catalog.services()
    assert services == {}


def test_an_operator_on_a_server_reads_all_and_writes_nothing(
    consul: Server, tokens: dict[str, str]
) -> None:
    assert tokens
    _, services = consul.api(OPERATOR).catalog.services()
    assert {"consul", "acme-sbc"} <= services.keys()
    with pytest.raises(ACLPermissionDenied):
        consul.api(OPERATOR).agent.service.register("acme-sbc", address="10.40.0.66")


def test_reconciling_again_changes_nothing(
    consul: Server, client: Any, tokens: dict[str, str]
) -> None:
    before = consul.api().acl.token.list(), consul.api().acl.policy.list()
    _control(consul, client).reconcile()
    assert (consul.api().acl.token.list(), consul.api().acl.policy.list()) == before
    name = token_secret(DEPLOYMENT, "acme", Tier.SBC)
    value = json.loads(client.get_secret_value(SecretId=name)["SecretString"])
    assert value == {"token": tokens["acme-sbc"]}


def test_a_token_that_consul_lost_is_made_again(
    consul: Server, client: Any, tokens: dict[str, str]
) -> None:
    consul.api().acl.token.delete(acl.accessor(tokens["acme-2-sbc"]))
    with pytest.raises(ConsulException):
        consul.api(tokens["acme-2-sbc"]).acl.token.read_self()
    _control(consul, client).reconcile()
    assert (
        consul.api(tokens["acme-2-sbc"]).acl.token.read_self()["Description"] == "tenant-acme-2-sbc"
    )


def test_only_secrets_of_tiers_of_this_deployment_become_tokens(
    consul: Server, tokens: dict[str, str], client: Any
) -> None:
    assert tokens
    for name in OTHER_SECRETS:
        with pytest.raises(client.exceptions.ResourceNotFoundException):
            client.get_secret_value(SecretId=name)


@pytest.mark.parametrize("forced", [True, False], ids=["gone", "marked for deletion"])
def test_a_removed_tenant_has_no_access_any_more(
    consul: Server, client: Any, tokens: dict[str, str], forced: bool
) -> None:
    assert tokens
    of_removed = []
    for tier in Tier:
        client.create_secret(Name=token_secret(DEPLOYMENT, "left-rtp", tier))
    _control(consul, client).reconcile()
    for tier in Tier:
        name = token_secret(DEPLOYMENT, "left-rtp", tier)
        of_removed.append(secrets.read(client, name)["token"])
        assert consul.api(of_removed[-1]).acl.token.read_self()
        client.delete_secret(
            SecretId=name, **({"ForceDeleteWithoutRecovery": True} if forced else {})
        )
    _control(consul, client).reconcile()
    for token in of_removed:
        with pytest.raises(ConsulException):
            consul.api(token).acl.token.read_self()
    names = [policy["Name"] for policy in consul.api().acl.policy.list()]
    assert [name for name in names if "left" in name] == []
    for token in (*tokens.values(), OPERATOR):
        assert consul.api(token).acl.token.read_self()


def test_a_secret_that_the_list_omits_keeps_its_token(
    consul: Server, client: Any, tokens: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(AccessControl, "_secrets", lambda self: iter(()))
    _control(consul, client).reconcile()
    for token in tokens.values():
        assert consul.api(token).acl.token.read_self()


def test_a_denied_secret_keeps_its_token_and_does_not_stop_the_round(
    consul: Server, client: Any, tokens: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(_: Any, name: str) -> dict[str, Any]:
        raise secrets.Denied(f"secret {name}: denied")

    monkeypatch.setattr(AccessControl, "_secrets", lambda self: iter(()))
    monkeypatch.setattr(secrets, "read", denied)
    _control(consul, client).reconcile()
    for token in tokens.values():
        assert consul.api(token).acl.token.read_self()


def test_dead_members_are_removed_although_a_secret_is_out_of_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    done: list[str] = []

    def broken(_: Any) -> None:
        raise AgentError("secret c4/demo/acme/consul/sbc: is not JSON")

    monkeypatch.setattr(AccessControl, "reconcile", broken)
    monkeypatch.setattr(leader, "leads", lambda *_: True)
    monkeypatch.setattr(leader, "tokens", lambda: {"operator": OPERATOR})
    monkeypatch.setattr(clients, "client", lambda *_: None)
    monkeypatch.setattr(members, "remove_terminated", lambda *_: done.append("removed"))
    monkeypatch.setattr(members, "rejoin_lost", lambda *_: done.append("rejoined"))
    with pytest.raises(AgentError, match="is not JSON"):
        leader.lead(config(tags={TAG_DEPLOYMENT: DEPLOYMENT}), FACTS, None)
    assert done == ["removed"]


def test_the_leader_knows_that_it_leads(consul: Server) -> None:
    assert leader.leads(consul.api(MANAGEMENT), "127.0.0.1")
    assert not leader.leads(consul.api(MANAGEMENT), "10.40.64.5")
