"""Do all instances end with the same secret, whoever made it?"""

from __future__ import annotations

import base64
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from agent.aws import router_confd, secrets
from agent.consul import credentials
from agent.errors import AgentError


@pytest.fixture
def client(aws: str) -> Any:
    return boto3.client("secretsmanager", region_name=aws)


@pytest.fixture
def name(client: Any, tenant: str) -> str:
    """A secret as Terraform makes it: without a value."""
    made = f"c4/demo/{tenant}/router-confd"
    client.create_secret(Name=made)
    return made


def test_a_secret_without_a_value_is_waited_for(client: Any, name: str) -> None:
    with pytest.raises(secrets.NoValue, match="has no value yet"):
        secrets.read(client, name)


def test_servers_that_boot_together_agree_on_one_key(client: Any, name: str) -> None:
    barrier = threading.Barrier(3)

    def make() -> dict[str, Any]:
        barrier.wait(60)  # all three have seen that there is none
        return credentials.new_agent_secret({"ca_certificate": "PEM"})

    with ThreadPoolExecutor(3) as executor:
        futures = [executor.submit(secrets.read_or_create, client, name, make) for _ in range(3)]
        values = [future.result()["gossip_key"] for future in futures]
    assert len(set(values)) == 1
    assert len(base64.b64decode(values[0])) == 32


def test_a_rotated_secret_is_not_made_anew(client: Any, name: str) -> None:
    secrets.read_or_create(client, name, lambda: {"gossip_key": "first"})
    client.put_secret_value(SecretId=name, SecretString=json.dumps({"gossip_key": "second"}))
    value = secrets.read_or_create(client, name, lambda: {"gossip_key": "third"})
    assert value == {"gossip_key": "second"}


def test_a_secret_that_terraform_did_not_make_is_an_error(client: Any) -> None:
    with pytest.raises(AgentError, match="c4/demo/nothing"):
        secrets.read_or_create(client, "c4/demo/nothing", dict)


@pytest.mark.parametrize("text", ["hunter2-is-not-json", '["a list"]'])
def test_a_malformed_secret_is_an_error_that_does_not_tell_it(
    client: Any, name: str, text: str
) -> None:
    client.put_secret_value(SecretId=name, SecretString=text)
    with pytest.raises(AgentError) as caught:
        secrets.read(client, name)
    assert text not in str(caught.value)


def test_only_the_servers_secret_can_sign_and_manage() -> None:
    servers = credentials.new_server_secret("demo")
    agents = credentials.new_agent_secret(servers)
    assert agents.keys() == {"gossip_key", "ca_certificate"}
    assert "PRIVATE KEY" not in json.dumps(agents)
    assert servers["management_token"] != credentials.new_server_secret("demo")["management_token"]


def test_keys_of_router_confd_are_strong_and_different() -> None:
    one, other = (
        router_confd.new_secrets("acme-router-confd"),
        router_confd.new_secrets("acme-router-confd"),
    )
    assert len(base64.urlsafe_b64decode(one["encryption_key"])) == 32
    assert len(one["api_key"]) >= 43
    assert one["api_key"] != other["api_key"]


def test_a_denied_secret_says_nothing_about_whether_it_exists() -> None:
    client = boto3.client("secretsmanager", region_name="eu-central-1")
    with Stubber(client) as stub:
        stub.add_client_error("get_secret_value", "AccessDeniedException", "not authorized")
        with pytest.raises(secrets.Denied, match="c4/demo/left/consul/sbc"):
            secrets.read(client, "c4/demo/left/consul/sbc")
