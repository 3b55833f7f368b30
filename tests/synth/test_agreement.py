"""What user data tells an instance is what its stack creates: names, tags, secrets, hooks."""

from __future__ import annotations

import base64
import email
import hashlib
import json
from typing import Any

import pytest
import yaml

from agent import bundle
from common import paths
from common.names import TAG_CONSUL
from common.topology import CONSUL_SERVER, Tier
from testbed.synthesized import Json, Synthesized, unpack

ROLES = {CONSUL_SERVER: "consul/"} | {tier: f"acme/{tier}_" for tier in Tier}


def _one(synthesized: Synthesized, kind: str, role: str) -> Json:
    (body,) = [b for where, b in synthesized.resources(kind) if where.startswith(ROLES[role])]
    return body


def _agent(synthesized: Synthesized, role: str) -> dict[str, Any]:
    """The agent's configuration, out of the files of the role's instances."""
    files = bundle.unpack(
        base64.b64decode(_one(synthesized, "aws_s3_object", role)["content_base64"])
    )
    (content,) = [file.content for file in files if file.path == paths.CONFIG]
    config: dict[str, Any] = json.loads(content)
    return config


def _place(synthesized: Synthesized, role: str) -> dict[str, str]:
    """Where an instance looks for its files, out of the launch template that its group uses."""
    found = [
        item["content"]
        for where, data in synthesized.user_data()
        if where.startswith(ROLES[role])
        for part in email.message_from_string(unpack(data)).walk()
        if part.get_content_type() == "text/jinja2"
        for item in yaml.safe_load(str(part.get_payload())).get("write_files", [])
        if item["path"] == str(paths.BUNDLE)
    ]
    assert len(found) == 1
    place: dict[str, str] = json.loads(found[0])
    return place


@pytest.fixture(params=ROLES)
def role(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_an_instance_finds_its_files_and_may_read_no_others(demo: Synthesized, role: str) -> None:
    place, stored = _place(demo, role), _one(demo, "aws_s3_object", role)
    assert place["key"] == stored["key"]
    data = base64.b64decode(stored["content_base64"])
    assert place["sha256"] == hashlib.sha256(data).hexdigest()
    (bucket,) = [b["bucket"] for _, b in demo.resources("aws_s3_bucket", "network")]
    name, _, account = bucket.partition("${")
    assert "account_id}" in account
    assert place["bucket"] == name + "{{ ds.dynamic.instance_identity.document.accountId }}"
    statements = {s["sid"]: s for w, s in demo.statements() if w.startswith(ROLES[role])}
    (readable,) = statements["ReadOwnFiles"]["resources"]
    assert readable.endswith(f"outputs.files_bucket}}/{place['key']}")
    (condition,) = statements["FindOlderFiles"]["condition"]
    assert (condition["variable"], condition["values"]) == ("s3:prefix", [place["key"]])


def test_files_are_there_before_a_launch_template_names_them(demo: Synthesized, role: str) -> None:
    (where,) = [w for w, _ in demo.resources("aws_s3_object") if w.startswith(ROLES[role])]
    template = _one(demo, "aws_launch_template", role)
    assert template["depends_on"] == [f"aws_s3_object.{where.split('/')[1]}"]


def test_the_agent_knows_its_group_and_hooks(demo: Synthesized, role: str) -> None:
    agent, group = _agent(demo, role), _one(demo, "aws_autoscaling_group", role)
    assert agent["group"] == group["name"]
    hooks = {hook["lifecycle_transition"]: hook["name"] for hook in group["initial_lifecycle_hook"]}
    assert hooks == {
        "autoscaling:EC2_INSTANCE_LAUNCHING": agent["hook_launching"],
        "autoscaling:EC2_INSTANCE_TERMINATING": agent["hook_terminating"],
    }


def test_the_tags_that_the_agent_looks_for_are_those_of_its_instance(
    demo: Synthesized, role: str
) -> None:
    agent = _agent(demo, role)
    group = _one(demo, "aws_autoscaling_group", role)
    tags = {t["key"]: t["value"] for t in group["tag"] if t["key"] not in ("Name", TAG_CONSUL)}
    assert agent["tags"] == tags


@pytest.mark.parametrize("role", [tier for tier in Tier if tier.has_public_address])
def test_claims_are_allowed_for_address_interface_and_instance(
    demo: Synthesized, role: str
) -> None:
    agent = _agent(demo, role)
    assert agent["public_address"]
    tags = agent["tags"].items()
    (claim,) = [
        statement
        for where, statement in demo.statements()
        if where.startswith(ROLES[role]) and statement["sid"] == "ClaimAddress"
    ]
    wanted = {c["variable"]: c["values"][0] for c in claim["condition"]}
    assert wanted == {f"aws:ResourceTag/{key}": value for key, value in tags}
    template = _one(demo, "aws_launch_template", role)
    by_kind = {t["resource_type"]: t["tags"] for t in template["tag_specifications"]}
    assert tags <= by_kind["network-interface"].items()
    pool = [b for where, b in demo.resources("aws_eip") if where.startswith(ROLES[role])]
    assert pool
    for address in pool:
        assert tags <= address["tags"].items()


def test_the_secrets_that_the_agent_reads_exist_and_are_allowed(
    demo: Synthesized, role: str
) -> None:
    names = {
        body["name"]: f"aws_secretsmanager_secret.{where.split('/')[1]}.arn"
        for where, body in demo.resources("aws_secretsmanager_secret")
    }
    allowed = [
        resource
        for where, statement in demo.statements()
        if where.startswith(ROLES[role]) and statement["sid"] == "ReadSecrets"
        for resource in statement["resources"]
    ]
    for name in _agent(demo, role)["secrets"].values():
        if name is None:
            continue
        reference = names[name]
        if role != CONSUL_SERVER and name.startswith("c4/demo/consul/"):
            reference = "outputs.agent_secret_arn"  # in another stack
        assert any(reference in resource for resource in allowed), name


def test_scaling_follows_the_metric_that_the_agent_publishes(demo: Synthesized, role: str) -> None:
    agent = _agent(demo, role)
    allowed = [
        statement
        for where, statement in demo.statements()
        if where.startswith(ROLES[role]) and statement["sid"] == "PublishMetrics"
    ]
    if role in (CONSUL_SERVER, Tier.ROUTER_CONFD):
        assert not allowed
        return
    (publish,) = allowed
    assert publish["condition"][0]["values"] == [agent["metric_namespace"]]
    policy = _one(demo, "aws_autoscaling_policy", role)
    metric = policy["target_tracking_configuration"]["customized_metric_specification"]
    assert metric["namespace"] == agent["metric_namespace"]
    assert metric["metric_name"] == agent["metric_active_calls"]
    (dimension,) = metric["metric_dimension"]
    assert dimension["name"] == "AutoScalingGroupName"


def test_router_confd_looks_for_the_database_that_its_stack_creates(demo: Synthesized) -> None:
    agent = _agent(demo, Tier.ROUTER_CONFD)
    ((_, database),) = demo.resources("aws_db_instance")
    assert agent["database"]["instance"] == database["identifier"]
    assert agent["database"]["name"] == database["db_name"]


def test_an_instance_may_drain_as_long_as_the_settings_say(demo: Synthesized) -> None:
    tenant = demo.settings.tenants[0]
    for tier, size in (
        (Tier.SBC, tenant.sbc),
        (Tier.ROUTER, tenant.router),
        (Tier.RTP, tenant.rtp),
    ):
        agent = _agent(demo, tier)
        group = _one(demo, "aws_autoscaling_group", tier)
        hook = group["initial_lifecycle_hook"][1]
        assert hook["name"] == agent["hook_terminating"]
        assert hook["heartbeat_timeout"] == min(size.drain_s, 7200)
        assert agent["drain_s"] == size.drain_s
