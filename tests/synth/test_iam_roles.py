"""What instances ask of AWS is what their roles allow: no call is denied, no permission unused.

The agent's own functions run against the local cloud's API, where IAM judges them by the
synthesized policies.
"""

from __future__ import annotations

import copy
import functools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from agent.aws import clients
from agent.errors import AgentError
from agent.facts import InstanceFacts
from common import paths
from common.names import TAG_HELD, TAG_TENANT
from common.topology import CONSUL_SERVER, Tier
from lab.aws.autoscaling import groups
from lab.aws.iam import documents, enforcement
from lab.aws.iam.evaluation import Decision, Policies, Principal, decide
from testbed.iam.deployed import POLICY, ROLES, Deployed, deploy
from testbed.iam.duties import ORDER, duties
from testbed.iam.local_api import REGION, local_api, session
from testbed.synthesized import Json, Synthesized


@dataclass(frozen=True)
class Judgement:
    """One decision, with everything that it was made of."""

    principal: Principal
    action: str
    resource: str
    context: Any
    policies: Policies
    decision: Decision

    def by(self, policy: Json) -> Decision:
        """The decision if the role had this policy."""
        changed = replace(self.policies, identity=(documents.parse(POLICY, json.dumps(policy)),))
        return decide(self.principal, self.action, self.resource, self.context, changed)


@pytest.fixture(scope="module")
def patch() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as found:
        yield found


@pytest.fixture(scope="module")
def deployed(demo: Synthesized, patch: pytest.MonkeyPatch) -> Iterator[Deployed]:
    with local_api() as api:
        made = deploy(api, demo)
        groups.tick(lambda _: True)  # the hooks wait
        yield made


@pytest.fixture(scope="module")
def lives(
    deployed: Deployed, patch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, list[Judgement]]:
    """Every decision during the lives of one instance of each role."""
    folder = tmp_path_factory.mktemp("instance")
    for name in ("SECRETS", "CONSUL", "CONSUL_TLS", "KAMAILIO"):
        (folder / name).mkdir()
        patch.setattr(paths, name, folder / name)
    for name in ("CONSUL_TOKENS", "ROUTER_CONFD_ENV"):
        patch.setattr(paths, name, folder / name)
    patch.setattr("shutil.chown", lambda *_, **__: None)
    made: list[Judgement] = []

    def recorded(
        principal: Principal, action: str, resource: str, context: Any, policies: Policies
    ) -> Decision:
        decision = decide(principal, action, resource, context, policies)
        made.append(Judgement(principal, action, resource, context, policies, decision))
        return decision

    patch.setattr(enforcement, "decide", recorded)
    found: dict[str, list[Judgement]] = {}
    for role in ORDER:
        as_instance(deployed, role, patch)
        for name, duty in duties(
            deployed.config(role), facts(deployed, role), deployed.place(role)
        ).items():
            try:
                duty()
            except AgentError as error:
                pytest.fail(f"{role}: {name}: {error}")
        found[role], made = made, []
    return found


def as_instance(deployed: Deployed, role: str, patch: pytest.MonkeyPatch) -> None:
    """Let the agent's clients have the credentials of an instance of the role."""
    for name, value in deployed.api.environment(deployed.instances[role]).items():
        patch.setenv(name, value)
    patch.setattr(clients, "_session", functools.cache(lambda _: session()))


def facts(deployed: Deployed, role: str) -> InstanceFacts:
    view = deployed.view(role)
    return InstanceFacts(
        instance_id=view.id, region=REGION, zone=view.zone, private_ip=view.private_ip
    )


@pytest.mark.parametrize("role", ROLES)
def test_no_call_of_an_instance_is_denied(lives: dict[str, list[Judgement]], role: str) -> None:
    assert lives[role]
    denied = [f"{j.action} on {j.resource} {j.decision.reason}" for j in lives[role]
              if not j.decision.allowed]  # fmt: skip
    assert denied == []


def parts(policy: Json) -> Iterator[tuple[str, Json]]:
    """Each action and each resource of each statement: its name, and the policy without it."""
    for number, statement in enumerate(policy["Statement"]):
        for element in ("Action", "Resource"):
            for value in statement[element]:
                less = copy.deepcopy(policy)
                less["Statement"][number][element].remove(value)
                if not less["Statement"][number][element]:
                    del less["Statement"][number]
                yield f"{statement['Sid']}: {element} {value}", less


@pytest.mark.parametrize("role", ROLES)
def test_each_permission_of_a_role_is_used_and_missed_when_it_is_taken_away(
    deployed: Deployed, lives: dict[str, list[Judgement]], role: str
) -> None:
    unused = [
        name
        for name, less in parts(deployed.policies[role])
        if all(judgement.by(less).allowed for judgement in lives[role])
    ]
    assert unused == []


@pytest.fixture
def own(deployed: Deployed, lives: dict[str, list[Judgement]]) -> Callable[[str, str], Any]:
    """A client with the credentials of a role's instance, after its life: (role, service)."""
    return lambda role, service: deployed.api.client(service, deployed.instances[role])


def denied(call: Callable[..., object], **arguments: Any) -> str:
    """The code of the error by which IAM denies the call."""
    with pytest.raises(ClientError, match="not authorized") as found:
        call(**arguments)
    return str(found.value.response["Error"]["Code"])


def addresses(deployed: Deployed, role: str) -> list[str]:
    wanted = [
        {"Name": f"tag:{key}", "Values": [value]}
        for key, value in deployed.config(role).tags.items()
    ]
    found = deployed.api.deployer("ec2").describe_addresses(Filters=wanted)["Addresses"]
    return [address["AllocationId"] for address in found]


Own = Callable[[str, str], Any]


def test_an_instance_cannot_empty_its_pool(deployed: Deployed, own: Own) -> None:
    """DeleteTags without a tag deletes all, and an address without tags is in no pool."""
    pool = addresses(deployed, Tier.SBC)
    assert denied(own(Tier.SBC, "ec2").delete_tags, Resources=pool) == "UnauthorizedOperation"
    for key in (TAG_TENANT, "Name"):
        denied(own(Tier.SBC, "ec2").delete_tags, Resources=pool, Tags=[{"Key": key}])
        denied(own(Tier.SBC, "ec2").create_tags, Resources=pool, Tags=[{"Key": key, "Value": "x"}])
    both = [{"Key": TAG_HELD, "Value": "x"}, {"Key": TAG_TENANT, "Value": "other"}]
    denied(own(Tier.SBC, "ec2").create_tags, Resources=pool, Tags=both)
    assert addresses(deployed, Tier.SBC) == pool


def test_an_instance_cannot_take_an_address_of_another_tier(deployed: Deployed, own: Own) -> None:
    (foreign,) = addresses(deployed, Tier.RTP)
    call = own(Tier.SBC, "ec2").associate_address
    denied(call, AllocationId=foreign, InstanceId=deployed.instances[Tier.SBC])
    (its_own,) = addresses(deployed, Tier.SBC)
    denied(call, AllocationId=its_own, InstanceId=deployed.instances[Tier.RTP])
    denied(own(Tier.SBC, "ec2").create_tags, Resources=[foreign],
           Tags=[{"Key": TAG_HELD, "Value": "x"}])  # fmt: skip


def test_an_instance_cannot_answer_for_another_group(deployed: Deployed, own: Own) -> None:
    call = own(Tier.ROUTER, "autoscaling").complete_lifecycle_action
    code = denied(
        call,
        AutoScalingGroupName=deployed.config(Tier.SBC).group,
        LifecycleHookName="launching",
        LifecycleActionResult="ABANDON",
        InstanceId=deployed.instances[Tier.SBC],
    )
    assert code == "AccessDenied"
    call = own(Tier.ROUTER, "autoscaling").set_instance_health
    denied(call, InstanceId=deployed.instances[Tier.SBC], HealthStatus="Unhealthy")


def test_an_instance_cannot_publish_in_another_namespace(own: Own) -> None:
    metric = {"MetricName": "ActiveCalls", "Value": 1}
    call = own(Tier.SBC, "cloudwatch").put_metric_data
    assert denied(call, Namespace="C4/other", MetricData=[metric]) == "AccessDenied"


@pytest.mark.parametrize(
    ("role", "secret"),
    [
        (Tier.SBC, "c4/demo/acme/router-confd"),
        (Tier.SBC, "c4/demo/acme/consul/router"),
        (Tier.ROUTER, "c4/demo/acme/sbc-tls"),
        (Tier.ROUTER, "c4/demo/consul/server"),
        (CONSUL_SERVER, "c4/demo/acme/router-confd"),
        (CONSUL_SERVER, "c4/demo/acme/sbc-tls"),
    ],
)
def test_an_instance_cannot_read_a_secret_of_others(own: Own, role: str, secret: str) -> None:
    call = own(role, "secretsmanager").get_secret_value
    assert denied(call, SecretId=secret) == "AccessDeniedException"


def test_tiers_cannot_change_the_secret_of_all_agents(own: Own) -> None:
    for tier in Tier:
        call = own(tier, "secretsmanager").put_secret_value
        denied(call, SecretId="c4/demo/consul/agent", SecretString="{}")


def test_the_leader_learns_that_the_secret_of_a_removed_tenant_is_gone(own: Own) -> None:
    """A secret that is gone is judged by its name alone, which the role's pattern must match."""
    client = own(CONSUL_SERVER, "secretsmanager")
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.get_secret_value(SecretId="c4/demo/left/consul/sbc")


def test_a_call_that_is_not_in_the_table_is_denied_and_named(deployed: Deployed, own: Own) -> None:
    assert denied(own(Tier.SBC, "ec2").describe_vpcs) == "UnauthorizedOperation"
    records = json.dumps(deployed.api.iam.records.as_json())
    assert "ec2:DescribeVpcs because the local cloud does not know" in records
