"""The metadata service answers as EC2's version 2 does."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv4Network

import pytest
from werkzeug.test import Client, TestResponse

from lab.aws.iam.sessions import Sessions
from lab.aws.imds import TOKEN_HEADER, TTL_HEADER, MetadataService, look_up
from lab.aws.views import InstanceView

INSTANCE = InstanceView(
    id="i-0123456789abcdef0",
    region="eu-central-1",
    zone="eu-central-1b",
    image_id="ami-1",
    instance_type="c6i.large",
    launched=datetime(2025, 1, 2, tzinfo=UTC),
    private_ip=IPv4Address("10.40.0.4"),
    public_ip=IPv4Address("203.0.113.7"),
    mac="02:00:00:00:00:01",
    interface_id="eni-1",
    subnet_id="subnet-1",
    subnet=IPv4Network("10.40.0.0/22"),
    vpc_id="vpc-1",
    vpc=IPv4Network("10.40.0.0/16"),
    user_data=b"\x1f\x8bgzip",
    tags={"c4:role": "sbc", "bad/key": "x"},
    profile="c4-demo-acme-sbc",
    tags_in_metadata=True,
)


class Metadata:
    """A client with the source address of an instance."""

    def __init__(self, *instances: InstanceView) -> None:
        known = {str(i.private_ip): i for i in instances}
        self._client = Client(MetadataService(known.get, Sessions()))

    def token(self, address: str = "10.40.0.4", ttl: str | None = "60") -> TestResponse:
        headers = {TTL_HEADER: ttl} if ttl else {}
        return self._client.put(
            "/latest/api/token", headers=headers, environ_base={"REMOTE_ADDR": address}
        )

    def get(self, path: str, token: str | None = None, address: str = "10.40.0.4") -> TestResponse:
        headers = {TOKEN_HEADER: token} if token else {}
        return self._client.get(path, headers=headers, environ_base={"REMOTE_ADDR": address})

    def text(self, path: str) -> str:
        answer = self.get(path, self.token().text)
        assert answer.status_code == 200, path
        return answer.text


@pytest.fixture
def metadata() -> Metadata:
    return Metadata(INSTANCE)


def test_without_token_nothing_is_told(metadata: Metadata) -> None:
    assert metadata.get("/latest/meta-data/instance-id").status_code == 401
    assert metadata.get("/latest/user-data").status_code == 401
    assert metadata.get("/latest/meta-data/instance-id", token="invented").status_code == 401


@pytest.mark.parametrize("ttl", [None, "0", "21601", "abc"])
def test_token_needs_a_valid_lifetime(metadata: Metadata, ttl: str | None) -> None:
    assert metadata.token(ttl=ttl).status_code == 400


def test_token_of_another_instance_is_refused() -> None:
    from dataclasses import replace

    other = replace(INSTANCE, id="i-2", private_ip=IPv4Address("10.40.0.5"))
    metadata = Metadata(INSTANCE, other)
    token = metadata.token(address="10.40.0.5").text
    assert metadata.get("/latest/meta-data/instance-id", token).status_code == 401


def test_version_one_where_the_launch_template_allows_it() -> None:
    from dataclasses import replace

    metadata = Metadata(replace(INSTANCE, token_required=False))
    assert metadata.get("/latest/meta-data/instance-id").text == INSTANCE.id


def test_unknown_source_gets_nothing(metadata: Metadata) -> None:
    assert metadata.token(address="10.40.0.99").status_code == 404


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("meta-data/local-ipv4", "10.40.0.4"),
        ("meta-data/public-ipv4", "203.0.113.7"),
        ("meta-data/placement/availability-zone", "eu-central-1b"),
        ("meta-data/autoscaling/target-lifecycle-state", "InService"),
        ("meta-data/tags/instance/c4:role", "sbc"),
        ("meta-data/iam/security-credentials/", "c4-demo-acme-sbc"),
        ("meta-data/network/interfaces/macs/", "02:00:00:00:00:01/"),
        ("", "dynamic/\nmeta-data/"),
    ],
)
def test_leaves_and_listings(metadata: Metadata, path: str, text: str) -> None:
    assert metadata.text(f"/2021-07-15/{path}") == text


def test_tag_keys_that_metadata_cannot_show_are_left_out(metadata: Metadata) -> None:
    assert metadata.text("/latest/meta-data/tags/instance/") == "c4:role"


def test_tags_are_hidden_unless_the_launch_template_enables_them() -> None:
    from dataclasses import replace

    metadata = Metadata(replace(INSTANCE, tags_in_metadata=False))
    answer = metadata.get("/latest/meta-data/tags/instance/c4:role", metadata.token().text)
    assert answer.status_code == 404


def test_user_data_is_byte_exact(metadata: Metadata) -> None:
    assert metadata.get("/latest/user-data", metadata.token().text).data == b"\x1f\x8bgzip"


def test_credentials_and_identity_are_what_the_sdks_read(metadata: Metadata) -> None:
    path = "/latest/meta-data/iam/security-credentials/c4-demo-acme-sbc"
    credentials = json.loads(metadata.text(path))
    assert {"Code", "AccessKeyId", "SecretAccessKey", "Token", "Expiration"} <= set(credentials)
    identity = json.loads(metadata.text("/latest/dynamic/instance-identity/document"))
    assert identity["region"] == "eu-central-1"
    assert identity["instanceId"] == INSTANCE.id


def test_look_up_tells_a_leaf_from_a_directory() -> None:
    leaves = {"a/b": "1", "a/c/d": "2", "ab": "3"}
    assert look_up(leaves, "a") == "b\nc/"
    assert look_up(leaves, "ab") == "3"
    assert look_up(leaves, "x") is None
