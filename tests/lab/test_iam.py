"""Calls of instances are judged, and denied as on AWS; the deployer's are not."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from werkzeug.test import Client

from lab.aws import views
from lab.aws.iam.judged import Judged
from lab.names import ACCOUNT
from testbed.iam.local_api import REGION, LocalApi, local_api

ROLE = "router"
Permit = Callable[..., None]
ROOT = f"arn:aws:iam::{ACCOUNT}:root"


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


@pytest.fixture(scope="module")
def api() -> Iterator[LocalApi]:
    with local_api() as found:
        iam, ec2 = found.deployer("iam"), found.deployer("ec2")
        iam.create_role(RoleName=ROLE, AssumeRolePolicyDocument="{}")
        iam.create_instance_profile(InstanceProfileName=ROLE)
        iam.add_role_to_instance_profile(InstanceProfileName=ROLE, RoleName=ROLE)
        vpc = ec2.create_vpc(CidrBlock="10.50.0.0/16")["Vpc"]["VpcId"]
        subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.50.1.0/24")["Subnet"]["SubnetId"]
        ec2.run_instances(
            ImageId="ami-12c6146b",
            MinCount=2,
            MaxCount=2,
            SubnetId=subnet,
            IamInstanceProfile={"Name": ROLE},
        )
        yield found


@pytest.fixture
def instances(api: LocalApi) -> list[views.InstanceView]:
    return list(views.instances())


@pytest.fixture
def client(api: LocalApi, instances: list[views.InstanceView]) -> Callable[[str], Any]:
    """A client of an instance, by service."""
    return lambda service: api.client(service, instances[0].id)


@pytest.fixture
def permit(api: LocalApi) -> Iterator[Permit]:
    """Give the role statements, each of them an action and a resource, and conditions."""
    iam = api.deployer("iam")

    def give(*statements: tuple[str, str] | dict[str, Any]) -> None:
        bodies = [
            s if isinstance(s, dict) else {"Effect": "Allow", "Action": s[0], "Resource": s[1]}
            for s in statements
        ]
        text = document(*bodies)
        iam.put_role_policy(RoleName=ROLE, PolicyName="p", PolicyDocument=text)

    give({"Effect": "Deny", "Action": "none:None", "Resource": "*"})
    yield give
    iam.delete_role_policy(RoleName=ROLE, PolicyName="p")


def error(call: Callable[..., object], **arguments: Any) -> tuple[str, int, str]:
    """Code, HTTP status and text of the error."""
    with pytest.raises(ClientError) as found:
        call(**arguments)
    answer = found.value.response
    details = answer["Error"]
    return details["Code"], answer["ResponseMetadata"]["HTTPStatusCode"], details["Message"]


@pytest.mark.parametrize(
    ("service", "method", "arguments", "code", "status"),
    [
        ("ec2", "describe_instances", {}, "UnauthorizedOperation", 403),
        ("autoscaling", "set_instance_health", {"InstanceId": "i-1", "HealthStatus": "Healthy"},
         "AccessDenied", 403),
        ("rds", "describe_db_instances", {"DBInstanceIdentifier": "x"}, "AccessDenied", 403),
        ("cloudwatch", "put_metric_data", {"Namespace": "n", "MetricData": [{"MetricName": "m"}]},
         "AccessDenied", 403),
        ("secretsmanager", "get_secret_value", {"SecretId": "x"}, "AccessDeniedException", 400),
        ("s3", "get_object", {"Bucket": "b", "Key": "k"}, "AccessDenied", 403),
        ("s3", "list_objects_v2", {"Bucket": "b"}, "AccessDenied", 403),
        ("s3", "delete_object", {"Bucket": "b", "Key": "k"}, "AccessDenied", 403),
        ("iam", "list_users", {}, "AccessDenied", 403),
    ],
)  # fmt: skip
def test_a_denied_call_fails_with_the_error_of_its_protocol(
    client: Callable[[str], Any],
    permit: Permit,
    service: str,
    method: str,
    arguments: dict[str, Any],
    code: str,
    status: int,
) -> None:
    found, http, text = error(getattr(client(service), method), **arguments)
    # CloudWatch's status is that of the protocol which the SDK speaks.
    assert found == code
    assert http == status or service == "cloudwatch"
    assert f"User: arn:aws:sts::{ACCOUNT}:assumed-role/{ROLE}/i-" in text
    assert " is not authorized to perform: " in text


def test_the_error_names_action_resource_and_reason(
    client: Callable[[str], Any], permit: Permit
) -> None:
    _, _, text = error(client("rds").describe_db_instances, DBInstanceIdentifier="x")
    assert text.endswith(
        f"perform: rds:DescribeDBInstances on resource: arn:aws:rds:{REGION}:{ACCOUNT}:db:x "
        "because no identity-based policy allows the rds:DescribeDBInstances action"
    )
    _, _, text = error(client("ec2").describe_instances)
    assert text.startswith("You are not authorized to perform this operation. User: arn:aws:sts:")


def test_an_allowed_call_is_answered_and_who_may_do_it_is_asked_each_time(
    client: Callable[[str], Any], permit: Permit
) -> None:
    permit(("ec2:DescribeInstances", "*"))
    ec2 = client("ec2")
    assert ec2.describe_instances()["Reservations"]
    permit(("ec2:DescribeAddresses", "*"))
    assert error(ec2.describe_instances)[0] == "UnauthorizedOperation"
    assert client("sts").get_caller_identity()


def test_the_deployer_is_not_judged(api: LocalApi, permit: Permit) -> None:
    assert api.deployer("ec2").describe_vpcs()["Vpcs"]


@pytest.fixture
def key(api: LocalApi) -> str:
    return str(api.deployer("kms").create_key()["KeyMetadata"]["Arn"])


def secret(api: LocalApi, name: str, key: str, value: str | None = "v") -> str:
    more = {"SecretString": value} if value else {}
    made = api.deployer("secretsmanager").create_secret(Name=name, KmsKeyId=key, **more)
    return str(made["ARN"])


READ, USE = "secretsmanager:GetSecretValue", "kms:Decrypt"


def test_a_secret_takes_its_key_too(
    api: LocalApi, client: Callable[[str], Any], permit: Permit, key: str
) -> None:
    arn = secret(api, "with-key", key)
    read = client("secretsmanager").get_secret_value
    permit((READ, arn))
    assert error(read, SecretId=arn) == (
        "AccessDeniedException", 400, "Access to KMS is not allowed",
    )  # fmt: skip
    for service, allowed in ("s3", False), ("secretsmanager", True):
        via = {"StringEquals": {"kms:ViaService": f"{service}.{REGION}.amazonaws.com"}}
        permit((READ, arn),
               {"Effect": "Allow", "Action": USE, "Resource": key, "Condition": via})  # fmt: skip
        if allowed:
            assert read(SecretId=arn)["SecretString"] == "v"
        else:
            assert error(read, SecretId=arn)[2] == "Access to KMS is not allowed"


def test_without_a_value_there_is_nothing_to_decrypt(
    api: LocalApi, client: Callable[[str], Any], permit: Permit, key: str
) -> None:
    arn = secret(api, "empty", key, value=None)
    permit((READ, arn))
    call = client("secretsmanager").get_secret_value
    assert error(call, SecretId=arn)[0] == "ResourceNotFoundException"


def test_a_key_that_does_not_leave_it_to_iam_cannot_be_used(
    api: LocalApi, client: Callable[[str], Any], permit: Permit, key: str
) -> None:
    arn = secret(api, "own-key", key)
    permit((READ, arn), (USE, key))
    read = client("secretsmanager").get_secret_value
    assert read(SecretId=arn)
    logs = {"Service": f"logs.{REGION}.amazonaws.com"}
    role = {"AWS": f"arn:aws:iam::{ACCOUNT}:role/{ROLE}"}
    for principal, allowed in (logs, False), (role, True), ({"AWS": ROOT}, True):
        body = {"Effect": "Allow", "Principal": principal, "Action": "kms:*", "Resource": "*"}
        api.deployer("kms").put_key_policy(KeyId=key, PolicyName="default", Policy=document(body))
        if allowed:
            assert read(SecretId=arn)
        else:
            assert error(read, SecretId=arn)[2] == "Access to KMS is not allowed"


def test_a_secret_that_does_not_exist_is_judged_by_its_bare_name(
    client: Callable[[str], Any], permit: Permit
) -> None:
    read, base = client("secretsmanager").get_secret_value, f"arn:aws:secretsmanager:{REGION}"
    permit((READ, f"{base}:{ACCOUNT}:secret:gone-??????"))
    assert error(read, SecretId="gone")[0] == "AccessDeniedException"
    permit((READ, f"{base}:{ACCOUNT}:secret:gone*"))
    assert error(read, SecretId="gone")[0] == "ResourceNotFoundException"


def test_the_policy_of_a_secret_counts(
    api: LocalApi, client: Callable[[str], Any], permit: Permit
) -> None:
    client_ = api.deployer("secretsmanager")
    arn = client_.create_secret(Name="shared", SecretString="v")["ARN"]
    read = client("secretsmanager").get_secret_value

    def put(effect: str, principal: Any) -> None:
        body = {"Effect": effect, "Principal": principal, "Action": READ, "Resource": "*"}
        client_.put_resource_policy(SecretId=arn, ResourcePolicy=document(body))

    assert error(read, SecretId=arn)[0] == "AccessDeniedException"
    put("Allow", {"AWS": f"arn:aws:iam::{ACCOUNT}:role/{ROLE}"})
    assert read(SecretId=arn)
    put("Allow", {"AWS": ROOT})  # leaves it to the policies of roles
    assert error(read, SecretId=arn)[0] == "AccessDeniedException"
    permit((READ, arn))
    assert read(SecretId=arn)
    put("Deny", "*")
    assert error(read, SecretId=arn)[2].endswith("with an explicit deny in a resource-based policy")


def test_a_boundary_limits_a_role(
    api: LocalApi, client: Callable[[str], Any], permit: Permit
) -> None:
    iam = api.deployer("iam")
    body = {"Effect": "Allow", "Action": "ec2:DescribeAddresses", "Resource": "*"}
    made = iam.create_policy(PolicyName="limit", PolicyDocument=document(body))
    iam.put_role_permissions_boundary(RoleName=ROLE, PermissionsBoundary=made["Policy"]["Arn"])
    try:
        permit(("ec2:Describe*", "*"))
        assert client("ec2").describe_addresses()
        assert error(client("ec2").describe_instances)[2].endswith(
            "because no permissions boundary allows the ec2:DescribeInstances action"
        )
    finally:
        iam.delete_role_permissions_boundary(RoleName=ROLE)


def test_an_attached_policy_counts_in_the_version_in_force(
    api: LocalApi, client: Callable[[str], Any], permit: Permit
) -> None:
    iam = api.deployer("iam")
    body = {"Effect": "Allow", "Action": "ec2:DescribeInstances", "Resource": "*"}
    text = document(body)
    arn = iam.create_policy(PolicyName="attached", PolicyDocument=text)["Policy"]["Arn"]
    iam.attach_role_policy(RoleName=ROLE, PolicyArn=arn)
    assert client("ec2").describe_instances()
    body["Effect"] = "Deny"
    iam.create_policy_version(PolicyArn=arn, PolicyDocument=document(body), SetAsDefault=True)
    permit(("*", "*"))
    assert error(client("ec2").describe_instances)[0] == "UnauthorizedOperation"
    iam.detach_role_policy(RoleName=ROLE, PolicyArn=arn)


def test_the_policy_of_a_vpc_endpoint_counts(
    api: LocalApi, client: Callable[[str], Any], permit: Permit, instances: list[views.InstanceView]
) -> None:
    permit(("ec2:Describe*", "*"))
    body = {"Effect": "Allow", "Principal": "*", "Action": "ec2:DescribeAddresses", "Resource": "*"}
    ec2 = api.deployer("ec2")
    endpoint = ec2.create_vpc_endpoint(
        VpcId=instances[0].vpc_id,
        ServiceName=f"com.amazonaws.{REGION}.ec2",
        VpcEndpointType="Interface",
        PolicyDocument=document(body),
    )["VpcEndpoint"]["VpcEndpointId"]
    try:
        assert client("ec2").describe_addresses()
        assert error(client("ec2").describe_instances)[2].endswith(
            "because no VPC endpoint policy allows the ec2:DescribeInstances action"
        )
    finally:
        ec2.delete_vpc_endpoints(VpcEndpointIds=[endpoint])
    assert client("ec2").describe_instances()


def test_a_policy_that_cannot_be_read_allows_nothing(
    api: LocalApi, client: Callable[[str], Any], permit: Permit
) -> None:
    """IAM refuses such a policy of a role, and so does moto; other services store it here."""
    client_ = api.deployer("secretsmanager")
    arn = client_.create_secret(Name="unreadable", SecretString="v")["ARN"]
    body = {"Effect": "Allow", "Principal": "*", "Action": READ, "Resource": "*"}
    odd = document(body | {"Condition": {"StringIs": {"k": "v"}}})
    client_.put_resource_policy(SecretId=arn, ResourcePolicy=odd)
    permit(("*", "*"))
    assert "StringIs" in error(client("secretsmanager").get_secret_value, SecretId=arn)[2]


def test_objects_take_the_key_that_encrypts_them(
    api: LocalApi, client: Callable[[str], Any], permit: Permit, key: str
) -> None:
    s3 = api.deployer("s3")
    s3.create_bucket(Bucket="c4-demo", CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_object(
        Bucket="c4-demo", Key="a/b", Body=b"x", ServerSideEncryption="aws:kms", SSEKMSKeyId=key
    )
    permit(("s3:GetObject", "arn:aws:s3:::c4-demo/a/*"))
    assert error(client("s3").get_object, Bucket="c4-demo", Key="a/b")[0] == "AccessDenied"
    permit(("s3:GetObject", "arn:aws:s3:::c4-demo/a/*"), (USE, key))
    assert client("s3").get_object(Bucket="c4-demo", Key="a/b")["Body"].read() == b"x"
    body = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": "arn:aws:s3:::c4-demo/*",
    }
    s3.put_bucket_policy(Bucket="c4-demo", Policy=document(body))
    assert error(client("s3").get_object, Bucket="c4-demo", Key="a/b")[0] == "AccessDenied"


def sent(
    api: LocalApi, address: str, key: str, token: str = "", service: str = "ec2"
) -> tuple[int, str]:
    """Status and text of the answer to a call from an address with these credentials."""
    scope = f"{key}/20260101/{REGION}/{service}/aws4_request"
    signed = {"Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, Signature=x"} if key else {}
    answer = Client(api.iam).post(
        "/",
        data={"Action": "DescribeInstances", "Version": "2016-11-15"},
        headers={**signed, "X-Amz-Security-Token": token, "Host": f"ec2.{REGION}.amazonaws.com"},
        environ_base={"REMOTE_ADDR": address},
    )
    return answer.status_code, answer.text


def test_only_the_own_credentials_are_good_for_an_instance(
    api: LocalApi, permit: Permit, instances: list[views.InstanceView]
) -> None:
    permit(("ec2:DescribeInstances", "*"))
    first, second = (api.sessions.credentials(instance.id) for instance in instances)
    address = str(instances[0].private_ip)
    status, text = sent(api, address, first.key, first.token)
    assert (status, "reservationSet" in text) == (200, True)
    for key, token in (
        (first.key, "wrong"), (second.key, second.token), ("ASIAUNKNOWN", ""), ("lab", ""),
    ):  # fmt: skip
        status, text = sent(api, address, key, token)
        assert (status, "<Code>AuthFailure</Code>" in text) == (401, True), key
    status, text = sent(api, address, "")
    assert (status, "MissingAuthenticationToken" in text) == (403, True)
    assert sent(api, "127.0.0.1", "lab")[0] == 200


def test_what_was_judged_is_counted_by_role_and_statement(
    api: LocalApi, client: Callable[[str], Any], permit: Permit
) -> None:
    before = Judged.of(api.iam.records.as_json())
    permit({"Sid": "Look", "Effect": "Allow", "Action": "ec2:Describe*", "Resource": "*"})
    ec2 = client("ec2")
    ec2.describe_instances()
    ec2.describe_addresses()
    error(client("rds").describe_db_instances)
    after = Judged.of(api.iam.records.as_json())
    assert (after.count - before.count, after.denied - before.denied) == (3, 1)
    assert (ROLE, "Look", "ec2:DescribeAddresses") in after.used
    assert any("rds:DescribeDBInstances" in text for text in after.denials)
