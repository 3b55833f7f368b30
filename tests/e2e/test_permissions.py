"""IAM was enforced in all end-to-end tests before, and no instance asked for more than it may."""

from __future__ import annotations

import json

import pytest

from common import paths
from common.topology import CONSUL_SERVER, Tier
from testbed.deployment.world import World

pytestmark = [pytest.mark.e2e, pytest.mark.last]

DELETE_ALL_TAGS = """
import json, boto3, botocore.exceptions
from agent import config
c = config.load()
ec2 = boto3.client("ec2", region_name=c.region, verify="/etc/ssl/certs/ca-certificates.crt")
filters = [{"Name": "tag:" + key, "Values": [value]} for key, value in c.tags.items()]
pool = [a["AllocationId"] for a in ec2.describe_addresses(Filters=filters)["Addresses"]]
try:
    ec2.delete_tags(Resources=pool)
except botocore.exceptions.ClientError as error:
    print(json.dumps(error.response["Error"]))
"""


def test_iam_has_judged_every_role_and_denied_nothing(deployed: World) -> None:
    judged = deployed.lab.judged()
    assert judged.denials == {}
    name = f"c4-{deployed.cluster.deployment.deployment}"
    tenant = f"{name}-{deployed.tenant.name}"
    expected = {f"{name}-{CONSUL_SERVER}", *(f"{tenant}-{tier}" for tier in Tier)}
    assert {call.role for call in judged.calls} == expected


def test_an_sbc_that_asks_for_more_is_denied_as_on_aws(deployed: World) -> None:
    sbc = deployed.lab.machines(role=Tier.SBC)[0]
    python = str(paths.VENV / "bin/python")
    command = ["env", f"PYTHONPATH={paths.APP}", python, "-c", DELETE_ALL_TAGS]
    done = deployed.lab.exec(sbc, command, timeout=60)
    assert done.returncode == 0, done.stderr
    error = json.loads(done.stdout)
    assert error["Code"] == "UnauthorizedOperation"
    assert f"/{sbc.instance_id} is not authorized to perform: ec2:DeleteTags on" in error["Message"]
