"""The agent's code has no call that no role allows, and each role has exactly its permissions.

`test_iam_roles` lets IAM judge the calls themselves.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import botocore.session
import pytest
from botocore import xform_name

from common.topology import CONSUL_SERVER, Tier
from settings.load import ROOT
from testbed.synthesized import Synthesized

SERVICES = ("autoscaling", "cloudwatch", "ec2", "rds", "s3", "secretsmanager")
# Asked for by others than the agent.
ELSEWHERE = {
    "ec2:DescribeInstances": "Consul's retry_join",
    "s3:GetObjectVersion": "GetObject, of a version that is not the newest",
    "s3:ListBucketVersions": "ListObjectVersions, by its paginator",
    "kms:Decrypt": "Secrets Manager, on behalf of GetSecretValue",
    "kms:GenerateDataKey": "Secrets Manager, on behalf of PutSecretValue",
}
EVERYBODY = {
    "autoscaling:CompleteLifecycleAction",
    "autoscaling:RecordLifecycleActionHeartbeat",
    "ec2:DescribeInstances",
    "kms:Decrypt",
    "s3:GetObject",
    "s3:GetObjectVersion",
    "s3:ListBucketVersions",
    "secretsmanager:GetSecretValue",
}
ADDRESS = {
    "ec2:AssociateAddress",
    "ec2:CreateTags",
    "ec2:DeleteTags",
    "ec2:DescribeAddresses",
}
HEALTH = {"autoscaling:SetInstanceHealth"}  # whoever has a service of its own
CALLS = HEALTH | {"cloudwatch:PutMetricData"}  # whoever carries calls
CREATE = {"secretsmanager:PutSecretValue", "kms:GenerateDataKey"}
ROLES = {
    CONSUL_SERVER: EVERYBODY | CREATE | {"secretsmanager:ListSecrets"},
    Tier.SBC: EVERYBODY | CALLS | ADDRESS | CREATE,
    Tier.ROUTER: EVERYBODY | CALLS,
    Tier.RTP: EVERYBODY | CALLS | ADDRESS,
    Tier.ROUTER_CONFD: EVERYBODY | HEALTH | CREATE | {"rds:DescribeDBInstances"},
}


def _operations() -> dict[str, str]:
    """IAM action of each method of boto3's clients."""
    session = botocore.session.get_session()
    return {
        xform_name(operation): f"{service}:{operation}"
        for service in SERVICES
        for operation in session.get_service_model(service).operation_names
    }


def _called(folder: Path) -> Iterator[str]:
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                yield node.func.attr


def _granted(demo: Synthesized, role: str) -> set[str]:
    stack, prefix = ("consul", "role") if role == CONSUL_SERVER else ("acme", f"{role}_role")
    return {
        action
        for where, statement in demo.statements()
        if where.startswith(f"{stack}/{prefix}_permissions")
        for action in statement["actions"]
    }


def test_agents_ask_for_nothing_that_no_role_allows_and_nothing_is_allowed_for_nothing(
    demo: Synthesized,
) -> None:
    operations = _operations()
    asked = {operations[name] for name in _called(ROOT / "agent") if name in operations}
    granted = {action for role in ROLES for action in _granted(demo, role)}
    assert asked | set(ELSEWHERE) == granted


@pytest.mark.parametrize("role", ROLES)
def test_each_role_has_its_permissions_and_no_other(demo: Synthesized, role: str) -> None:
    assert _granted(demo, role) == ROLES[role]
