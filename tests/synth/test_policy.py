"""Rules that every synthesized stack keeps: exposure, encryption, permissions, secrets."""

from __future__ import annotations

import re
from typing import Any

from common import ports
from common.names import HOOK_LAUNCHING, HOOK_TERMINATING, TAG_DEPLOYMENT, TAG_ROLE, TAG_TENANT
from rendering import user_data
from testbed.synthesized import Synthesized, unpack

ANYWHERE = {"0.0.0.0/0", "::/0"}
OPEN_TO_THE_WORLD = {
    "sbc": {
        ("udp", ports.SIP.number, ports.SIP.number),
        ("tcp", ports.SIP.number, ports.SIP.number),
        ("tcp", ports.SIPS.number, ports.SIPS.number),
    },
    "rtp": {("udp", ports.RTP.first, ports.RTP.last)},
}
# Statements on all resources, each with the reason why IAM cannot say it more narrowly.
ALL_RESOURCES = {
    "FindConsulServersByTag": "ec2:DescribeInstances supports no resource",
    "FindAddresses": "ec2:DescribeAddresses supports no resource",
    "ListSecrets": "secretsmanager:ListSecrets supports no resource; it tells names, not values",
    "PublishMetrics": "cloudwatch:PutMetricData supports no resource; the namespace is a condition",
    "AccountDecidesByItsIamPolicies": "in a key's own policy, * is that key",
    "CloudWatchLogsOfThisAccount": "in a key's own policy, * is that key",
}
ALL_ACTIONS = {
    "AccountDecidesByItsIamPolicies": "without it nobody could ever administer the key",
}


def _ingress(synthesized: Synthesized) -> list[tuple[str, dict[str, Any]]]:
    return list(synthesized.resources("aws_vpc_security_group_ingress_rule"))


def test_only_sip_and_media_are_open_to_the_world(synthesized: Synthesized) -> None:
    found: dict[str, set[tuple[str, int, int]]] = {}
    for where, rule in _ingress(synthesized):
        if ANYWHERE & {rule.get("cidr_ipv4"), rule.get("cidr_ipv6")}:
            tier = where.split("/")[1].split("_")[0]
            port = (rule["ip_protocol"], rule["from_port"], rule["to_port"])
            found.setdefault(tier, set()).add(port)
    assert found == OPEN_TO_THE_WORLD


def test_no_rule_opens_ssh_or_all_protocols(synthesized: Synthesized) -> None:
    for where, rule in _ingress(synthesized):
        assert rule["ip_protocol"] in ("tcp", "udp"), where
        assert not rule["from_port"] <= 22 <= rule["to_port"], where


def test_rules_are_not_written_where_terraform_would_fight_over_them(
    synthesized: Synthesized,
) -> None:
    assert not list(synthesized.resources("aws_security_group_rule"))
    for where, group in synthesized.resources("aws_security_group"):
        assert "ingress" not in group and "egress" not in group, where


def test_database_accepts_router_confd_only(synthesized: Synthesized) -> None:
    for tenant in synthesized.settings.tenants:
        rules = {
            where: rule
            for where, rule in _ingress(synthesized)
            if where.startswith(f"{tenant.name}/database_")
        }
        (rule,) = rules.values()
        assert "router-confd_firewall" in rule["referenced_security_group_id"]
        assert rule["from_port"] == rule["to_port"] == ports.POSTGRES.number


def test_internal_tiers_accept_nothing_by_address(synthesized: Synthesized) -> None:
    for where, rule in _ingress(synthesized):
        if where.split("/")[1].startswith(("router", "database", "members", "servers")):
            assert rule.get("cidr_ipv4") is None, where


def test_instances_need_imdsv2_and_have_no_key_pair(synthesized: Synthesized) -> None:
    templates = list(synthesized.resources("aws_launch_template"))
    assert len(templates) == 1 + 4 * len(synthesized.settings.tenants)
    for where, template in templates:
        assert template["metadata_options"] == {
            "http_endpoint": "enabled",
            "http_put_response_hop_limit": 1,
            "http_tokens": "required",
            "instance_metadata_tags": "enabled",
        }, where
        assert "key_name" not in template, where
        assert template["iam_instance_profile"]["name"], where


def test_everything_stored_is_encrypted(synthesized: Synthesized) -> None:
    for where, template in synthesized.resources("aws_launch_template"):
        for device in template["block_device_mappings"]:
            assert device["ebs"]["encrypted"] == "true", where
            assert device["ebs"]["volume_type"] == "gp3", where
    databases = list(synthesized.resources("aws_db_instance"))
    assert len(databases) == len(synthesized.settings.tenants)
    for where, database in databases:
        assert database["storage_encrypted"] is True, where
    for where, recipe in synthesized.resources("aws_imagebuilder_image_recipe"):
        for device in recipe["block_device_mapping"]:
            assert device["ebs"]["encrypted"] == "true", where
    for kind in ("aws_cloudwatch_log_group", "aws_secretsmanager_secret", "aws_db_instance"):
        for where, body in synthesized.resources(kind):
            assert body["kms_key_id"], where
    for where, key in synthesized.resources("aws_kms_key"):
        assert key["enable_key_rotation"] is True, where


def test_buckets_are_private_and_encrypted(synthesized: Synthesized) -> None:
    buckets = {where for where, _ in synthesized.resources("aws_s3_bucket")}
    assert {where.split("/")[0] for where in buckets} == {"image", "network"}
    assert len(buckets) == 2
    for kind in ("public_access_block", "server_side_encryption_configuration", "versioning"):
        assert len(list(synthesized.resources(f"aws_s3_bucket_{kind}"))) == len(buckets), kind
    for where, block in synthesized.resources("aws_s3_bucket_public_access_block"):
        closed = {key for key, value in block.items() if value is True}
        assert closed == {
            "block_public_acls",
            "block_public_policy",
            "ignore_public_acls",
            "restrict_public_buckets",
        }, where


def test_the_build_machine_needs_imdsv2(synthesized: Synthesized) -> None:
    for where, body in synthesized.resources("aws_imagebuilder_infrastructure_configuration"):
        assert body["instance_metadata_options"]["http_tokens"] == "required", where


def test_logs_do_not_grow_for_ever(synthesized: Synthesized) -> None:
    groups = list(synthesized.resources("aws_cloudwatch_log_group"))
    assert groups
    for where, group in groups:
        assert group["retention_in_days"] >= 1, where


def test_databases_survive_mistakes(production: Synthesized) -> None:
    for where, database in production.resources("aws_db_instance"):
        assert database["multi_az"] is True, where
        assert database["deletion_protection"] is True, where
        assert database["skip_final_snapshot"] is False, where
        assert database["final_snapshot_identifier"], where
        assert database["backup_retention_period"] >= 7, where
        assert database["publicly_accessible"] is False, where


def test_databases_take_tls_only(synthesized: Synthesized) -> None:
    groups = list(synthesized.resources("aws_db_parameter_group"))
    assert len(groups) == len(synthesized.settings.tenants)
    for where, group in groups:
        assert {(p["name"], p["value"]) for p in group["parameter"]} >= {("rds.force_ssl", "1")}, (
            where
        )


def test_permissions_are_narrow(synthesized: Synthesized) -> None:
    statements = list(synthesized.statements())
    assert statements
    used = set()
    for where, statement in statements:
        sid = statement["sid"]
        if any(action.endswith("*") for action in statement["actions"]):
            assert sid in ALL_ACTIONS, f"{where}: {sid}: {statement['actions']}"
        if "*" in statement.get("resources", []):
            assert sid in ALL_RESOURCES, f"{where}: {sid} is on all resources"
            used.add(sid)
        assert statement["effect"] == "Allow", where
        for principal in statement.get("principals", []):
            assert "*" not in principal["identifiers"], where
    assert used == set(ALL_RESOURCES), "a reason is written for a statement that is gone"


def test_a_tenants_roles_touch_no_other_tenant(production: Synthesized) -> None:
    names = {tenant.name for tenant in production.settings.tenants}
    for tenant in names:
        text = production.text(tenant)
        for other in names - {tenant}:
            assert not re.search(rf"c4[-/]prod[-/]{other}\b", text)


def test_addresses_are_claimed_from_the_own_pool_only(synthesized: Synthesized) -> None:
    claims = [(w, s) for w, s in synthesized.statements() if "ec2:AssociateAddress" in s["actions"]]
    assert len(claims) == 2 * len(synthesized.settings.tenants)
    for where, claim in claims:
        conditions = {c["variable"]: c["values"] for c in claim["condition"]}
        stack, id_ = where.split("/")
        assert conditions == {
            f"aws:ResourceTag/{TAG_DEPLOYMENT}": [synthesized.settings.deployment],
            f"aws:ResourceTag/{TAG_TENANT}": [stack],
            f"aws:ResourceTag/{TAG_ROLE}": [id_.split("_")[0]],
        }, where


def test_pools_have_an_address_for_every_instance(synthesized: Synthesized) -> None:
    for tenant in synthesized.settings.tenants:
        for tier, size in (("sbc", tenant.sbc), ("rtp", tenant.rtp)):
            pool = [
                body
                for _, body in synthesized.resources("aws_eip", tenant.name)
                if body["tags"].get(TAG_ROLE) == tier
            ]
            assert len(pool) == size.max + size.spare_addresses
            assert all(body["tags"][TAG_TENANT] == tenant.name for body in pool)


def test_only_tiers_that_need_a_secret_may_read_it(synthesized: Synthesized) -> None:
    for where, statement in synthesized.statements():
        stack, id_ = where.split("/")
        if "secretsmanager:GetSecretValue" not in statement["actions"] or stack == "consul":
            continue
        tier = id_.partition("_role")[0]
        token = f"aws_secretsmanager_secret.consul_{tier}_secret_"
        assert sum(token in r for r in statement["resources"]) <= 1, where
        consul = ("agent_secret_arn", token)
        own = [r for r in statement["resources"] if not any(secret in r for secret in consul)]
        assert not own or id_.startswith(("router-confd_", "sbc_")), f"{where}: {own}"
        assert all(id_.split("_")[0] in r for r in own if "rds!" not in r), f"{where}: {own}"


def test_no_secret_value_reaches_terraform(synthesized: Synthesized) -> None:
    for stack in synthesized.names:
        document = synthesized.stack(stack)
        kinds = set(document.get("resource", {})) | set(document.get("data", {}))
        assert not {k for k in kinds if "secret_version" in k or "random" in k or "password" in k}
        for key in _keys(document):
            assert key not in ("password", "master_password", "secret_string", "password_wo"), stack
    for where, database in synthesized.resources("aws_db_instance"):
        assert database["manage_master_user_password"] is True, where


def test_user_data_is_final_and_fits(synthesized: Synthesized) -> None:
    found = list(synthesized.user_data())
    assert len(found) == 1 + 4 * len(synthesized.settings.tenants)
    for where, data in found:
        assert len(data) < user_data.LIMIT, f"{where}: {len(data)} bytes"
        text = unpack(data)
        assert text.startswith(("Content-Type: multipart/", "MIME-Version:")), where
        assert "${" not in text, where
        assert "PRIVATE KEY" not in text, where


def test_groups_answer_hooks_and_replace_step_by_step(synthesized: Synthesized) -> None:
    groups = list(synthesized.resources("aws_autoscaling_group"))
    assert len(groups) == 1 + 4 * len(synthesized.settings.tenants)
    for where, group in groups:
        hooks = {h["name"]: h["default_result"] for h in group["initial_lifecycle_hook"]}
        assert hooks == {HOOK_LAUNCHING: "ABANDON", HOOK_TERMINATING: "CONTINUE"}, where
        preferences = group["instance_refresh"]["preferences"]
        assert preferences["min_healthy_percentage"] == 100, where
        assert preferences["auto_rollback"] is True, where
        assert preferences["checkpoint_percentages"][-1] == 100, where
        assert "latest_version" in group["launch_template"]["version"], where
        assert group["min_size"] >= 1, where
        kinds = {name.split(".")[0] for name in group["depends_on"]}
        assert kinds == {"aws_iam_role_policy", "aws_iam_instance_profile"}, where
        tags = {tag["key"]: tag["value"] for tag in group["tag"] if tag["propagate_at_launch"]}
        assert tags[TAG_DEPLOYMENT] == synthesized.settings.deployment, where
        assert tags[TAG_ROLE], where


def test_groups_do_not_wait_for_the_database(demo: Synthesized) -> None:
    for where, group in demo.resources("aws_autoscaling_group"):
        assert "aws_db_instance" not in str(group), where
    for _where, template in demo.resources("aws_launch_template"):
        assert "aws_db_instance" not in str(template)
    assert not any("aws_db_instance" in str(s.get("resources")) for _, s in demo.statements())


def test_everything_is_tagged_with_its_owner(synthesized: Synthesized) -> None:
    deployment = synthesized.settings.deployment
    tenants = {tenant.name for tenant in synthesized.settings.tenants}
    for stack in synthesized.names:
        (provider,) = synthesized.stack(stack)["provider"]["aws"]
        expected = {TAG_DEPLOYMENT: deployment}
        if stack in tenants:
            expected[TAG_TENANT] = stack
        assert provider["default_tags"] == [{"tags": expected}], stack


def _keys(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [*value, *(key for item in value.values() for key in _keys(item))]
    return [key for item in value for key in _keys(item)] if isinstance(value, list) else []
