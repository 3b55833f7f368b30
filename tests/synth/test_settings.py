"""Bad settings: the message names field and value, all problems come at once, status 2."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
from pydantic import BaseModel

from settings import Deployment, SettingsError, Tenant, load
from settings.load import ROOT, deployment_path, parse
from settings.moved import MOVED, moved_to

GOOD = """\
deployment: demo
region: eu-central-1
zones: [eu-central-1a, eu-central-1b, eu-central-1c]
tenants: [{name: acme}]
"""


def problems(text: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        parse(text, Path("deployments/x.yaml"))
    assert str(caught.value).startswith("deployments/x.yaml: ")
    return list(caught.value.problems)


def with_tenant(fields: str) -> str:
    return GOOD.replace("{name: acme}", fields)


def with_network(fields: str) -> str:
    return f"{GOOD}network: {fields}\n"


def with_release(fields: str) -> str:
    return f"{GOOD}image: {{consul: {{release: {{{fields}}}}}}}\n"


def segments(**changed: str) -> str:
    ranges = {
        "edge": "10.40.0.0/20",
        "internal": "10.40.64.0/18",
        "media": "10.40.16.0/20",
        "data": "10.40.32.0/22",
    } | changed
    return "{" + ", ".join(f"{name}: {value}" for name, value in ranges.items()) + "}"


RULES = {
    "unknown key": (f"{GOOD}colour: blue\n", ["colour", "'blue'", "unknown key"]),
    "unknown key deep inside": (
        with_tenant("{name: acme, sbc: {mni: 2}}"),
        ["tenants.0.sbc.mni", "2", "unknown key"],
    ),
    "missing key": (GOOD.replace("region: eu-central-1\n", ""), ["region", "required"]),
    "key given twice": (f"{GOOD}deployment: demo2\n", ["'deployment'", "twice"]),
    "bad deployment name": (
        GOOD.replace("deployment: demo", "deployment: Demo_1"),
        ["deployment", "'Demo_1'", "a-z"],
    ),
    "bad region": (GOOD.replace("region: eu-central-1", "region: europe"), ["region", "'europe'"]),
    "zone of another region": (
        GOOD.replace("eu-central-1b", "us-east-1b"),
        ["zones", "'us-east-1b'", "eu-central-1"],
    ),
    "duplicate zone": (
        GOOD.replace("eu-central-1b", "eu-central-1a"),
        ["zones", "'eu-central-1a'", "more than once"],
    ),
    "one zone only": (
        GOOD.replace("[eu-central-1a, eu-central-1b, eu-central-1c]", "[eu-central-1a]"),
        ["zones", "at least 2"],
    ),
    "duplicate tenant": (
        with_tenant("{name: acme}, {name: acme}"),
        ["tenants", "'acme'", "more than once"],
    ),
    "alarm topic of another region": (
        f"{GOOD}alarm_topic: arn:aws:sns:us-east-1:123456789012:on-call\n",
        ["alarm_topic", "us-east-1", "region eu-central-1"],
    ),
    "no alarm topic": (f"{GOOD}alarm_topic: on-call\n", ["alarm_topic", "'on-call'", "arn:aws"]),
    "bad name of the SBCs": (
        with_tenant("{name: acme, dns: {name: Sip_1, zone_id: Z1}}"),
        ["tenants.0.dns.name", "'Sip_1'"],
    ),
    "two tenants, one name of the SBCs": (
        with_tenant(
            "{name: acme, dns: {name: sip.example.com, zone_id: Z1}}, "
            "{name: globex, dns: {name: sip.example.com, zone_id: Z1}}"
        ),
        ["dns.name", "'sip.example.com'", "more than once"],
    ),
    "bad tenant name": (with_tenant("{name: Acme Corp}"), ["tenants.0.name", "'Acme Corp'", "a-z"]),
    "too long a tenant name": (
        with_tenant("{name: a23456789012345678901}"),
        ["tenants.0.name", "'a23456789012345678901'", "2 to 20"],
    ),
    "tenant named like a stack": (
        with_tenant("{name: network}"),
        ["tenants.0.name", "'network'", "shared stacks"],
    ),
    "even number of Consul servers": (
        f"{GOOD}consul: {{servers: 4}}\n",
        ["consul.servers", "4", "3 or 5"],
    ),
    "min above max": (
        with_tenant("{name: acme, router: {min: 7, max: 3}}"),
        ["tenants.0.router.min", "7", "max 3"],
    ),
    "desired outside": (
        with_tenant("{name: acme, rtp: {min: 2, max: 3, desired: 9}}"),
        ["tenants.0.rtp.desired", "9", "between min 2 and max 3"],
    ),
    "not a number": (
        with_tenant("{name: acme, rtp: {min: many}}"),
        ["tenants.0.rtp.min", "'many'", "integer"],
    ),
    "unknown algorithm": (
        with_tenant("{name: acme, sip: {dispatch: random}}"),
        ["tenants.0.sip.dispatch", "'random'", "round-robin"],
    ),
    "routers that wait longer for media than one waits for them": (
        with_tenant("{name: acme, sip: {timers: {rtpengine_timeout_ms: 600}}}"),
        ["tenants.0.sip.timers.rtpengine_timeout_ms", "600", "less than router_timeout_ms 500"],
    ),
    "sources that are forgotten during a call": (
        with_tenant("{name: acme, sip: {timers: {max_call_s: 604800}}}"),
        ["tenants.0.sip.edge.trusted_s", "86400", "longer than timers.max_call_s 604800"],
    ),
    "one untrusted source that may send more than all": (
        with_tenant("{name: acme, sip: {edge: {untrusted_packets_per_s: 2000}}}"),
        [
            "tenants.0.sip.edge.untrusted_packets_per_s",
            "2000",
            "not exceed all_untrusted_packets_per_s 1000",
        ],
    ),
    "one address with more connections than an SBC": (
        with_tenant("{name: acme, sip: {connections: {max: 32}}}"),
        ["tenants.0.sip.connections.per_source", "64", "not exceed max 32"],
    ),
    "untrusted connections that idle longer than trusted ones": (
        with_tenant("{name: acme, sip: {connections: {untrusted_idle_s: 60, idle_s: 40}}}"),
        ["tenants.0.sip.connections.untrusted_idle_s", "60", "not exceed idle_s 40"],
    ),
    "one address with more new calls than an SBC": (
        with_tenant(
            "{name: acme, sip: {overload: {new_calls_per_s: 50, new_calls_per_source_per_s: 60}}}"
        ),
        [
            "tenants.0.sip.overload.new_calls_per_source_per_s",
            "60",
            "not exceed new_calls_per_s 50",
        ],
    ),
    "capture server by name": (
        with_tenant("{name: acme, sip: {capture: {homer: 'homer.example.com:9060'}}}"),
        ["tenants.0.sip.capture.homer", "'homer.example.com:9060'", "IPv4 address"],
    ),
    "capture server without port": (
        with_tenant("{name: acme, sip: {capture: {homer: 10.9.0.4:0}}}"),
        ["tenants.0.sip.capture.homer", "'10.9.0.4:0'", "1 to 65535"],
    ),
    "authorities that are no certificates": (
        with_tenant("{name: acme, sip: {tls: {authorities: /etc/ssl/ca.pem}}}"),
        ["tenants.0.sip.tls.authorities", "PEM", "BEGIN CERTIFICATE"],
    ),
    "damaged authority": (
        with_tenant(
            '{name: acme, sip: {tls: {authorities: "-----BEGIN CERTIFICATE-----\\nMII\\n'
            '-----END CERTIFICATE-----"}}}'
        ),
        ["tenants.0.sip.tls.authorities", "certificate 1", "X.509"],
    ),
    "segment outside the VPC": (
        with_network(f"{{segments: {segments(data='10.50.0.0/22')}}}"),
        ["network.segments.data", "10.50.0.0/22", "10.40.0.0/16"],
    ),
    "overlapping segments": (
        with_network(f"{{segments: {segments(media='10.40.0.0/21')}}}"),
        ["network.segments.media", "10.40.0.0/21", "overlaps", "segments.edge"],
    ),
    "segment too small for its zones": (
        with_network(f"{{segments: {segments(data='10.40.32.0/27')}}}"),
        ["network.segments.data", "10.40.32.0/27", "/26"],
    ),
    "address range with host bits": (
        with_network(f"{{segments: {segments(data='10.40.32.1/22')}}}"),
        ["network.segments.data", "'10.40.32.1/22'", "valid IPv4 network"],
    ),
    "VPC too large": (with_network("{cidr: 10.0.0.0/8}"), ["network.cidr", "10.0.0.0/8", "/16"]),
    "unknown endpoint": (
        with_network("{interface_endpoints: [s4]}"),
        ["network.interface_endpoints", "'s4'", "'ec2'"],
    ),
    "retention that CloudWatch does not know": (
        with_network("{flow_log_days: 100}"),
        ["network.flow_log_days", "100", "90"],
    ),
    "bad image id": (f"{GOOD}image: {{id: debian}}\n", ["image.id", "'debian'", "ami-"]),
    "release of Consul over plain http": (
        with_release(f"url: 'http://example.com/c.zip', sha256: {'a' * 64}"),
        ["image.consul.release.url", "'http://example.com/c.zip'", "https"],
    ),
    "release of Consul without its hash": (
        with_release("url: 'https://example.com/c.zip'"),
        ["image.consul.release.sha256", "required"],
    ),
    "hash of the release of Consul is cut": (
        with_release("url: 'https://example.com/c.zip', sha256: abc"),
        ["image.consul.release.sha256", "'abc'", "64"],
    ),
    "disk smaller than the image": (
        with_tenant("{name: acme, router_confd: {disk_gb: 10}}") + "image: {disk_gb: 12}\n",
        ["tenants.0.router_confd.disk_gb", "10", "image.disk_gb, 12"],
    ),
    "image name that Image Builder could not date": (
        f"{GOOD}image: {{name: c4}}\n",
        ["image.name", "'c4'"],
    ),
    "image name with a character that Image Builder refuses": (
        f"{GOOD}image: {{name: c4(debian)-*}}\n",
        ["image.name", "'c4(debian)-*'", "pattern"],
    ),
    "image name that is too long with its date": (
        f"{GOOD}image: {{name: {'c' * 100}*}}\n",
        ["image.name", "at most 100"],
    ),
    "name of the SBCs without room for its SRV records": (
        with_tenant(f"{{name: acme, dns: {{name: {'s.' * 120}com, zone_id: Z1}}}}"),
        ["tenants.0.dns.name", "at most 242"],
    ),
    "instance type without a size": (
        with_tenant("{name: acme, sbc: {instance_type: c6i}}"),
        ["tenants.0.sbc.instance_type", "'c6i'"],
    ),
    "EC2 instance type for a database": (
        with_tenant("{name: acme, database: {instance_class: m6g.large}}"),
        ["tenants.0.database.instance_class", "'m6g.large'"],
    ),
    "bucket of the state with capitals": (
        f"{GOOD}state: {{bucket: TerraformState}}\n",
        ["state.bucket", "'TerraformState'"],
    ),
    "management API for the whole internet": (
        with_tenant("{name: acme, api_sources: [0.0.0.0/0]}"),
        ["tenants.0.api_sources.0", "0.0.0.0/0", "private"],
    ),
    "metrics for a public range": (
        f"{GOOD}metrics_sources: [8.8.0.0/16]\n",
        ["metrics_sources.0", "8.8.0.0/16", "private"],
    ),
    "not a mapping": ("[1, 2]\n", ["must be a mapping"]),
    "empty file": ("", ["must be a mapping"]),
    "not YAML": ("deployment: [\n", ["not valid YAML"]),
}


@pytest.mark.parametrize(("text", "fragments"), RULES.values(), ids=RULES.keys())
def test_each_rule_names_field_value_and_what_is_allowed(text: str, fragments: list[str]) -> None:
    found = problems(text)
    assert len(found) == 1, found
    for fragment in fragments:
        assert fragment in found[0]


def test_the_rules_accept_what_is_right() -> None:
    deployment = parse(GOOD, Path("x.yaml"))
    assert [tenant.name for tenant in deployment.tenants] == ["acme"]


def test_all_problems_of_a_file_come_at_once() -> None:
    text = """\
deployment: demo
region: eu-central-1
zones: [eu-central-1a, eu-central-1b]
colour: blue
consul: {servers: 2}
network: {cidr: 10.0.0.0/8, flow_log_days: 2}
tenants:
  - {name: acme, sbc: {min: 9, max: 1}, router: {workers: 0}}
  - {name: A}
"""
    found = "\n".join(problems(text))
    for field in (
        "colour:",
        "consul.servers:",
        "network.flow_log_days:",
        "tenants.0.sbc.min:",
        "tenants.0.router.workers:",
        "tenants.1.name:",
    ):
        assert field in found


def test_old_keys_are_told_where_they_went_all_at_once() -> None:
    sip = {old.removeprefix("sip."): 1 for old in MOVED if old.startswith("sip.")}
    others = {old: 1 for old in MOVED if "." not in old}
    assert len(sip) + len(others) == len(MOVED)
    tenants = [{"name": "acme"}, {"name": "globex", "sip": sip, **others}]
    found = problems(GOOD.replace("[{name: acme}]", json.dumps(tenants)))
    assert sorted(found) == sorted(
        f"tenants.1.{old}: moved to {new}; see docs/settings.md" for old, new in MOVED.items()
    )


def test_only_keys_of_a_tenant_have_moved() -> None:
    old, new = list(MOVED.items())[-1]
    assert moved_to(("tenants", 0, *old.split("."))) == new
    assert moved_to(tuple(old.split("."))) is None
    assert moved_to(("tenants", 0, "colour")) is None


@pytest.mark.parametrize("new", MOVED.values())
def test_new_places_exist(new: str) -> None:
    model: type[BaseModel] = Tenant
    *sections, key = new.split(".")
    for name in sections:
        inner = model.model_fields[name].annotation
        assert isinstance(inner, type)
        assert issubclass(inner, BaseModel)
        model = inner
    assert key in model.model_fields


def keys_of(annotation: object) -> Iterator[str]:
    """Every key at and below a model, or a list or union with models."""
    for argument in get_args(annotation):
        yield from keys_of(argument)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        for name, info in annotation.model_fields.items():
            yield name
            yield from keys_of(info.annotation)


def test_no_two_settings_differ_by_one_letter() -> None:
    keys = sorted(set(keys_of(Deployment)))
    assert {"trusted_s", "untrusted_packets_per_s", "zone_id"} <= set(keys)

    def shortened(key: str) -> set[str]:
        return {key[:i] + key[i + 1 :] for i in range(len(key))}

    for a, b in itertools.combinations(keys, 2):
        one_more = a in shortened(b) or b in shortened(a)
        another = len(a) == len(b) and sum(x != y for x, y in zip(a, b, strict=True)) == 1
        assert not one_more, (a, b)
        assert not another, (a, b)


@pytest.mark.parametrize("name", ["demo", "production.example"])
def test_files_of_the_repository_are_right(name: str) -> None:
    assert load(name).tenants


def test_a_deployment_is_chosen_by_name_path_or_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("C4_DEPLOYMENT", raising=False)
    assert deployment_path() == ROOT / "deployments/demo.yaml"
    assert deployment_path("prod") == ROOT / "deployments/prod.yaml"
    monkeypatch.setenv("C4_DEPLOYMENT", str(tmp_path / "own.yaml"))
    assert deployment_path() == tmp_path / "own.yaml"


def run_main(deployment: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "C4_DEPLOYMENT": deployment,
        "CDKTF_OUTDIR": str(folder / "cdktf.out"),
        "PYTHONPATH": f"{ROOT}:{ROOT / 'constructs'}",
    }
    return subprocess.run(
        [sys.executable, "main.py"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
    )


def test_main_ends_with_status_2_and_no_traceback(tmp_path: Path) -> None:
    file = tmp_path / "bad.yaml"
    old, new = list(MOVED.items())[-1]
    tenant = with_tenant(f"{{name: acme, {old.replace('.', ': {')}: 5}}}}")
    file.write_text(tenant + "colour: blue\nconsul: {servers: 4}\n")
    done = run_main(str(file), tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert str(file) in done.stderr
    assert "colour" in done.stderr
    assert "consul.servers" in done.stderr
    assert f"tenants.0.{old}: moved to {new}" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "cdktf.out").exists()


def test_main_says_which_deployments_exist(tmp_path: Path) -> None:
    done = run_main("nowhere", tmp_path)
    assert done.returncode == 2
    assert "demo, production.example" in done.stderr
    assert "Traceback" not in done.stderr
