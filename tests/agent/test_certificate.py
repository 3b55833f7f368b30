"""Does an SBC always have a certificate that works, and the operator's when there is one?"""

from __future__ import annotations

import json
import ssl
import stat
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import boto3
import pytest

from agent.config import Config, Secrets
from agent.consul import pki
from agent.errors import AgentError
from agent.kamailio import certificate
from common import paths
from common.topology import Role
from testbed.agent_samples import FACTS, config


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(paths, "KAMAILIO", tmp_path)
    monkeypatch.setattr("shutil.chown", lambda *_, **__: None)
    return tmp_path


@pytest.fixture
def client(aws: str) -> Any:
    return boto3.client("secretsmanager", region_name=aws)


@pytest.fixture
def sbc(client: Any, tenant: str) -> Config:
    """Configuration of an SBC, whose secret exists without a value."""
    name = f"c4/demo/{tenant}/sbc-tls"
    client.create_secret(Name=name)
    return config(
        role=Role.SBC, service=f"{tenant}-sbc", secrets=Secrets(consul_agent="-", sbc_tls=name)
    )


def _usable(folder: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / certificate.CERTIFICATE, folder / certificate.KEY)


def _operators() -> dict[str, str]:
    authority = pki.new_authority("a public authority")
    pair = pki.issue_server(authority, ("sip.example.com",), IPv4Address("203.0.113.7"))
    return {"certificate": pair.certificate, "private_key": pair.key}


def test_the_first_sbc_makes_a_certificate_and_the_others_take_it(
    sbc: Config, folder: Path
) -> None:
    assert certificate.refresh(sbc, FACTS)
    first = (folder / certificate.CERTIFICATE).read_text()
    _usable(folder)
    assert stat.S_IMODE((folder / certificate.KEY).stat().st_mode) == 0o440
    (folder / certificate.CERTIFICATE).unlink()  # another instance
    assert certificate.refresh(sbc, FACTS)
    assert (folder / certificate.CERTIFICATE).read_text() == first


def test_only_another_certificate_is_a_renewal(sbc: Config, folder: Path, client: Any) -> None:
    certificate.refresh(sbc, FACTS)
    assert not certificate.refresh(sbc, FACTS)
    mine = _operators()
    client.put_secret_value(SecretId=sbc.secrets.sbc_tls, SecretString=json.dumps(mine))
    assert certificate.refresh(sbc, FACTS)
    assert (folder / certificate.CERTIFICATE).read_text() == mine["certificate"]
    _usable(folder)


@pytest.mark.parametrize(
    ("mistake", "problem"),
    [
        ({"private_key": _operators()["private_key"]}, "does not belong to certificate"),
        ({"private_key": "hunter2"}, "must hold PEM"),
        ({"certificate": ""}, "must hold PEM"),
    ],
)
def test_a_mistake_of_the_operator_leaves_the_last_good_one(
    sbc: Config, folder: Path, client: Any, mistake: dict[str, str], problem: str
) -> None:
    certificate.refresh(sbc, FACTS)
    text = json.dumps(_operators() | mistake)
    client.put_secret_value(SecretId=sbc.secrets.sbc_tls, SecretString=text)
    with pytest.raises(AgentError, match=problem) as caught:
        certificate.refresh(sbc, FACTS)
    assert "hunter2" not in str(caught.value)
    _usable(folder)
