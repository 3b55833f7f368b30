"""Does EC2 accept the user data, and does it carry nothing that it must not carry?"""

from __future__ import annotations

import base64
import dataclasses
import email
import gzip
import hashlib
import json
import re
from pathlib import Path

import pytest
import yaml

from agent import bundle
from agent.consul import pki
from common import paths
from common.topology import Tier
from image import payload
from rendering import instance_files, mime, user_data
from rendering.files import File
from rendering.user_data import TerraformInterpolation, UserData, UserDataTooLarge
from settings import Deployment
from settings.load import parse

# Words that only a value of a secret would follow; names and paths of secrets are no secrets.
_SECRET = re.compile(
    r"""(?ix)  (?:password|passwd|secret_key|api_key|encryption_key|gossip_key|token|encrypt)
        ["']? \s* [:=] \s* ["']? [A-Za-z0-9+/_-]{12,}"""
)
GOAL = 8_192  # bytes of user data
_KEY_BLOCK = re.compile(r"-----BEGIN|AKIA[0-9A-Z]{16}")


def _parts(data: UserData) -> dict[str, str]:
    message = email.message_from_bytes(gzip.decompress(base64.b64decode(data.encoded)))
    parts = {}
    for part in message.walk():
        if part.is_multipart():
            continue
        payload = part.get_payload(decode=True)
        assert isinstance(payload, bytes)
        parts[str(part.get_filename())] = payload.decode()
    return parts


def test_user_data_is_within_the_limit_of_ec2(rendered: UserData) -> None:
    assert rendered.size == len(base64.b64decode(rendered.encoded))
    assert rendered.size < user_data.LIMIT


def largest_deployment() -> Deployment:
    """Every option on, and the longest names and addresses."""
    name = "a" + "b" * 17 + "-c"
    authorities = "".join(pki.new_authority(name).certificate for name in ("one", "two"))
    text = {
        "deployment": name,
        "region": "ap-southeast-1",
        "zones": [f"ap-southeast-1{letter}" for letter in "abcdef"],
        "consul": {"servers": 5},
        "detailed_monitoring": True,
        "metrics_sources": ["10.255.255.128/25"],
        "tenants": [
            {
                "name": name,
                "dns": {"name": f"{'s' * 63}.{'t' * 63}.{'u' * 63}.example", "zone_id": "Z1"},
                "sbc": {"min": 50, "max": 100, "workers": 64},
                "router": {"min": 50, "max": 100, "workers": 64},
                "api_sources": ["10.255.255.128/25"],
                "limits": {
                    f"{kind}_calls{per}": 99999
                    for kind in ("tenant", "pbx", "trunk")
                    for per in ("", "_per_s")
                },
                "sip": {
                    "dispatch": "call-load",
                    "tls": {"authorities": authorities},
                    "capture": {"homer": "203.0.113.250:65535"},
                },
            }
        ],
    }
    return parse(json.dumps(text), Path("largest.yaml"))


def test_user_data_has_room_with_every_option() -> None:
    """Half of EC2's limit stays free, for whatever else an instance needs at boot."""
    deployment = largest_deployment()
    (tenant,) = deployment.tenants
    everything = [user_data.for_tier(deployment, tenant, tier) for tier in Tier]
    for data in (*everything, user_data.for_consul_server(deployment)):
        assert data.size < GOAL
        assert gzip.decompress(data.compressed).decode() == data.mime


def test_what_is_too_large_is_packed_again() -> None:
    text = "".join(f"route[R{i}] {{ t_set_fr({i * i}); }}\n" for i in range(400))
    usual = mime.compress(text, 100_000)
    assert mime.compress(text, len(usual)) == usual
    packed = mime.compress(text, len(usual) - 1)
    assert len(packed) < len(usual)
    assert packed == mime.compress(text, 0), "the same bytes each time"
    assert gzip.decompress(packed).decode() == text


def test_user_data_has_nothing_that_terraform_replaces(rendered: UserData) -> None:
    assert "${" not in rendered.mime
    assert "%{" not in rendered.mime
    assert "{" not in rendered.bundle.encoded


def test_user_data_carries_no_secret(rendered: UserData) -> None:
    for file in rendered.files:
        assert not _SECRET.search(file.content), file.path
        assert not _KEY_BLOCK.search(file.content), file.path


@pytest.mark.parametrize(
    "leak",
    ['"encrypt": "pUqJrVyVRj5jsiYEkM/tFQYfWyJIv4s3XkvDwy7Cu5s="', "password=correct-horse-battery"],
)
def test_the_search_for_secrets_finds_one(leak: str) -> None:
    assert _SECRET.search(leak)


def test_equal_settings_give_equal_bytes(deployment: Deployment) -> None:
    tenant = deployment.tenants[0]
    first = user_data.for_tier(deployment, tenant, Tier.SBC)
    again = user_data.for_tier(deployment, tenant, Tier.SBC)
    assert (again.encoded, again.bundle) == (first.encoded, first.bundle)


def test_every_file_arrives_as_it_was_rendered(rendered: UserData) -> None:
    """Through MIME, gzip and YAML to cloud-init, or through the bundle to the agent."""
    arrived = {}
    for text in _parts(rendered).values():
        for entry in yaml.safe_load(text).get("write_files", ()):
            taken = entry.get("permissions", "0644"), entry.get("owner", "root:root")
            arrived[entry["path"]] = (entry["content"], *taken)
    for one in bundle.unpack(rendered.bundle.data):
        assert str(one.path) not in arrived
        arrived[str(one.path)] = (one.content, one.mode, one.owner)
    assert arrived.keys() == {file.path for file in rendered.files}
    for file in rendered.files:
        assert arrived[file.path] == (file.content, file.mode, file.owner)


def test_user_data_names_the_files_by_their_digest(rendered: UserData, role: str) -> None:
    """So the launch template changes exactly when a file does, and a refresh follows."""
    (place,) = (f.content for f in rendered.files if f.path == str(paths.BUNDLE))
    assert json.loads(place)["sha256"] == hashlib.sha256(rendered.bundle.data).hexdigest()
    owner = "consul" if role == "consul" else "acme"
    assert json.loads(place)["key"] == f"{owner}/{role}.json.gz"


def test_a_changed_file_is_changed_user_data(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant = deployment.tenants[0]
    before = user_data.for_tier(deployment, tenant, Tier.RTP)
    monkeypatch.setattr(instance_files, "tier_files", lambda *_: (File("/etc/new", "x\n"),))
    after = user_data.for_tier(deployment, tenant, Tier.RTP)
    assert before.encoded != after.encoded


def test_awkward_text_survives_the_transport() -> None:
    files = [
        File("/a", "  leading blanks\n\ttab\nend without newline"),
        File("/b", "trailing blanks  \n\n\n"),
        File("/c", "- key: {{ range }}\n# comment: 'quoted' \"twice\"\n"),
        File("/d", ""),
    ]
    assert [e["content"] for e in yaml.safe_load(mime.write_files(files))] == [
        f.content for f in files
    ]


def test_only_the_facts_part_goes_through_jinja(rendered: UserData) -> None:
    """consul-template's braces must reach the instance as they are."""
    jinja = {name for name, text in _parts(rendered).items() if text.startswith("## template")}
    assert jinja == {"facts.yaml"}
    facts = _parts(rendered)["facts.yaml"]
    # A block tag would swallow the newline behind it (trim_blocks), and join two lines.
    assert "{%" not in facts.removeprefix("## template: jinja\n")


def test_the_boot_does_not_wait_for_files_nor_services(rendered: UserData) -> None:
    base = yaml.safe_load(_parts(rendered)["base.yaml"])
    assert base["runcmd"] == [["systemctl", "start", "--no-block", "c4-bundle.service"]]
    unit = (payload.HERE / "files/app/c4-bundle.service").read_text()
    assert "ExecStart=/usr/bin/systemctl start --no-block c4.target\n" in unit


def test_too_much_user_data_is_refused_with_its_size(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    noise = "".join(f"{i * 7919 % 104729:x}" for i in range(20_000))
    extra = (File("/etc/noise", noise),)
    monkeypatch.setattr(instance_files, "fact_files", lambda *_: extra)
    with pytest.raises(UserDataTooLarge, match=r"rtp has \d+ bytes .* 16384; .*/etc/noise"):
        user_data.for_tier(deployment, deployment.tenants[0], Tier.RTP)


def test_a_terraform_interpolation_is_refused_with_its_file(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    extra = (File("/etc/bad", "password = ${var.password}\n"),)
    monkeypatch.setattr(instance_files, "tier_files", lambda *_: extra)
    with pytest.raises(TerraformInterpolation, match="/etc/bad"):
        user_data.for_tier(deployment, deployment.tenants[0], Tier.RTP)


@pytest.mark.parametrize(
    ("field", "value"), [("path", "etc/x"), ("path", "/a/../b"), ("mode", "644"), ("owner", "root")]
)
def test_a_file_that_cloud_init_would_misread_is_refused(field: str, value: str) -> None:
    with pytest.raises(ValueError, match=f"{field}: '{value}'"):
        dataclasses.replace(File("/a", ""), **{field: value})


def test_tenants_do_not_share_names(deployment: Deployment) -> None:
    other = deployment.tenants[0].model_copy(update={"name": "globex"})
    data = user_data.for_tier(deployment, other, Tier.ROUTER)
    text = data.mime + gzip.decompress(data.bundle.data).decode()
    assert "globex-router" in text
    assert "acme" not in text


def test_the_agent_on_the_instance_understands_its_configuration(
    rendered: UserData, tmp_path: Path
) -> None:
    from agent import config

    path = tmp_path / "agent.json"
    path.write_text(next(f.content for f in rendered.files if f.path == str(paths.CONFIG)))
    loaded = config.load(path)
    assert json.loads(path.read_text())["group"] == loaded.group
