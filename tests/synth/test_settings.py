"""Bad settings: the message names field and value, all problems come at once, status 2."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from settings import SettingsError, load
from settings.load import ROOT, deployment_path, parse

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
        with_tenant("{name: acme, sip_name: {name: Sip_1, zone_id: Z1}}"),
        ["tenants.0.sip_name.name", "'Sip_1'"],
    ),
    "two tenants, one name of the SBCs": (
        with_tenant(
            "{name: acme, sip_name: {name: sip.example.com, zone_id: Z1}}, "
            "{name: globex, sip_name: {name: sip.example.com, zone_id: Z1}}"
        ),
        ["sip_name.name", "'sip.example.com'", "more than once"],
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
        with_tenant("{name: acme, sip: {media_timeout_ms: 600}}"),
        ["tenants.0.sip.media_timeout_ms", "600", "less than router_timeout_ms 500"],
    ),
    "capture server by name": (
        with_tenant("{name: acme, sip: {homer: 'homer.example.com:9060'}}"),
        ["tenants.0.sip.homer", "'homer.example.com:9060'", "IPv4 address"],
    ),
    "capture server without port": (
        with_tenant("{name: acme, sip: {homer: 10.9.0.4:0}}"),
        ["tenants.0.sip.homer", "'10.9.0.4:0'", "1 to 65535"],
    ),
    "authorities that are no certificates": (
        with_tenant("{name: acme, sip: {tls_authorities: /etc/ssl/ca.pem}}"),
        ["tenants.0.sip.tls_authorities", "PEM", "BEGIN CERTIFICATE"],
    ),
    "damaged authority": (
        with_tenant(
            '{name: acme, sip: {tls_authorities: "-----BEGIN CERTIFICATE-----\\nMII\\n'
            '-----END CERTIFICATE-----"}}'
        ),
        ["tenants.0.sip.tls_authorities", "certificate 1", "X.509"],
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
    "disk smaller than the image": (
        with_tenant("{name: acme, router_confd: {disk_gb: 10}}") + "image: {disk_gb: 12}\n",
        ["tenants.0.router_confd.disk_gb", "10", "image.disk_gb, 12"],
    ),
    "image name that Image Builder could not date": (
        f"{GOOD}image: {{name: c4}}\n",
        ["image.name", "'c4'"],
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
    file.write_text(GOOD + "colour: blue\nconsul: {servers: 4}\n")
    done = run_main(str(file), tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert str(file) in done.stderr
    assert "colour" in done.stderr
    assert "consul.servers" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "cdktf.out").exists()


def test_main_says_which_deployments_exist(tmp_path: Path) -> None:
    done = run_main("nowhere", tmp_path)
    assert done.returncode == 2
    assert "demo, production.example" in done.stderr
    assert "Traceback" not in done.stderr
