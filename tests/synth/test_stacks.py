"""What a user of `cdktf` relies on: names, states, independence of tenants."""

from __future__ import annotations

import fnmatch
import json
import re
from ipaddress import IPv4Network
from pathlib import Path

import yaml

from common import ports
from common.sip_packages import SipPackages
from image import payload
from lab.terraform import provider_build
from settings import Deployment, load
from settings.load import ROOT
from settings.state import S3State
from settings.tenant import Tenant
from testbed.synthesized import Synthesized, synthesize


def test_stacks_are_network_consul_and_one_per_tenant(
    demo: Synthesized, production: Synthesized
) -> None:
    shared = {"network", "consul", "image"}
    assert set(demo.names) == shared | {"acme"}
    assert set(production.names) == shared | {"acme", "globex"}


def test_adding_a_tenant_changes_no_other_stack(
    demo: Synthesized, demo_settings: Deployment, tmp_path: Path
) -> None:
    globex = Tenant(name="globex")
    bigger = demo_settings.model_copy(update={"tenants": [*demo_settings.tenants, globex]})
    after = synthesize(bigger, tmp_path)
    assert set(after.names) == {*demo.names, "globex"}
    for stack in demo.names:
        assert after.text(stack) == demo.text(stack), stack


def test_shared_stacks_do_not_depend_on_the_first_tenant(
    demo: Synthesized, demo_settings: Deployment, tmp_path: Path
) -> None:
    without = synthesize(demo_settings.model_copy(update={"tenants": []}), tmp_path)
    for stack in without.names:
        assert without.text(stack) == demo.text(stack), stack


def test_local_state_lies_beside_the_output_folder(demo: Synthesized) -> None:
    for stack in demo.names:
        path = demo.stack(stack)["terraform"]["backend"]["local"]["path"]
        state = (demo.path(stack).parent / path).resolve()
        assert state == demo.folder.parent / f"terraform.demo.{stack}.tfstate"


def test_json_has_no_path_of_this_machine(synthesized: Synthesized) -> None:
    for stack in synthesized.names:
        text = synthesized.text(stack)
        for folder in (str(ROOT), str(synthesized.folder), str(Path.home())):
            assert f'"{folder}' not in text, stack


def test_remote_state_is_encrypted_and_locked(production: Synthesized) -> None:
    for stack in production.names:
        backend = production.stack(stack)["terraform"]["backend"]["s3"]
        assert backend == {
            "bucket": "example-terraform-state",
            "encrypt": True,
            "key": f"c4/prod/{stack}.tfstate",
            "region": "eu-central-1",
            "use_lockfile": True,
        }


def test_state_settings_reach_the_backend_and_its_readers(
    demo_settings: Deployment, tmp_path: Path
) -> None:
    state = S3State(bucket="states", region="eu-west-1", prefix="voice")
    result = synthesize(demo_settings.model_copy(update={"state": state}), tmp_path)
    acme = result.stack("acme")
    assert acme["terraform"]["backend"]["s3"]["key"] == "voice/demo/acme.tfstate"
    read = acme["data"]["terraform_remote_state"]
    assert {body["config"]["key"] for body in read.values()} == {
        "voice/demo/network.tfstate",
        "voice/demo/consul.tfstate",
    }
    assert {body["config"]["region"] for body in read.values()} == {"eu-west-1"}


def test_a_stack_reads_only_outputs_that_exist(synthesized: Synthesized) -> None:
    for stack in synthesized.names:
        text = synthesized.text(stack)
        for source in ("network", "consul"):
            marker = f"data.terraform_remote_state.{source}_state.outputs."
            for part in text.split(marker)[1:]:
                output = re.match(r"\w+", part)
                assert output, part[:80]
                assert output[0] in synthesized.stack(source)["output"], f"{stack}: {output[0]}"


def test_stacks_are_deployed_in_order(demo: Synthesized) -> None:
    manifest = json.loads((demo.folder / "manifest.json").read_text())["stacks"]
    assert manifest["network"]["dependencies"] == []
    assert manifest["consul"]["dependencies"] == ["network"]
    assert sorted(manifest["acme"]["dependencies"]) == ["consul", "network"]


def test_every_stack_requires_the_version_of_the_provider_that_the_tests_apply(
    synthesized: Synthesized,
) -> None:
    for stack in synthesized.names:
        terraform = synthesized.stack(stack)["terraform"]
        assert terraform["required_providers"] == {
            "aws": {"source": "hashicorp/aws", "version": provider_build.VERSION}
        }
        assert terraform["required_version"] == ">= 1.10"


def test_nat_gateways_follow_the_settings(demo: Synthesized, production: Synthesized) -> None:
    for result, gateways in ((demo, 1), (production, 3)):
        assert len(list(result.resources("aws_nat_gateway"))) == gateways
        routes = [
            body
            for _, body in result.resources("aws_route")
            if body.get("nat_gateway_id") is not None
        ]
        assert len(routes) == 3
        assert len({body["nat_gateway_id"] for body in routes}) == gateways


def test_without_ec2_endpoint_public_tiers_get_an_address_to_boot_with(tmp_path: Path) -> None:
    settings = load("demo")
    network = settings.network.model_copy(update={"interface_endpoints": frozenset()})
    changed = {"network": network, "tenants": []}
    result = synthesize(settings.model_copy(update=changed), tmp_path)
    public = {
        body["tags"]["Name"].rsplit("-eu-", 1)[0]
        for _, body in result.resources("aws_subnet")
        if body["map_public_ip_on_launch"]
    }
    assert public == {"c4-demo-edge", "c4-demo-media"}


def test_a_pinned_image_is_not_looked_up(tmp_path: Path) -> None:
    settings = load("demo")
    image = settings.image.model_copy(update={"id": "ami-0123456789abcdef0"})
    result = synthesize(settings.model_copy(update={"image": image}), tmp_path)
    for where, body in result.resources("aws_launch_template"):
        assert body["image_id"] == "ami-0123456789abcdef0", where
    for stack in ("consul", "acme"):
        assert "aws_ami" not in result.stack(stack)["data"]


def test_stacks_look_for_images_by_the_name_that_the_pipeline_gives_them(demo: Synthesized) -> None:
    ((_, distribution),) = demo.resources("aws_imagebuilder_distribution_configuration")
    (region,) = distribution["distribution"]
    built = region["ami_distribution_configuration"]["name"]
    assert built == "c4-debian13-{{ imagebuilder:buildDate }}"
    for stack in ("consul", "acme"):
        (look_up,) = demo.stack(stack)["data"]["aws_ami"].values()
        pattern = next(f["values"] for f in look_up["filter"] if f["name"] == "name")
        assert fnmatch.fnmatchcase(built, pattern[0])


def test_image_component_runs_the_stages_of_the_provisioning_script(demo: Synthesized) -> None:
    ((_, component),) = demo.resources("aws_imagebuilder_component")
    document = yaml.safe_load(component["data"])
    commands = [
        command
        for phase in document["phases"]
        for step in phase["steps"]
        if step["action"] == "ExecuteBash"
        for command in step["inputs"]["commands"]
    ]
    stages = [words[2] for c in commands if (words := c.split())[:2] == ["bash", "./provision.sh"]]
    assert stages == list(payload.AMI_STAGES)
    assert f"bash ./provision.sh os {SipPackages.DEBIAN13}" in commands


def test_metrics_and_management_api_open_to_the_named_ranges_only(tmp_path: Path) -> None:
    settings = load("demo")
    tenant = settings.tenants[0].model_copy(update={"api_sources": [IPv4Network("10.1.0.0/16")]})
    changed = {"tenants": [tenant], "metrics_sources": [IPv4Network("10.2.0.0/16")]}
    result = synthesize(settings.model_copy(update=changed), tmp_path)
    opened = {
        (where.split("/")[1].split("_")[0], rule["cidr_ipv4"], rule["from_port"])
        for where, rule in result.resources("aws_vpc_security_group_ingress_rule", "acme")
        if rule.get("cidr_ipv4", "0.0.0.0/0") != "0.0.0.0/0"
    }
    assert opened == {
        ("router-confd", "10.1.0.0/16", ports.ROUTER_CONFD_API.number),
        ("sbc", "10.2.0.0/16", ports.KAMAILIO_HTTP.number),
        ("router", "10.2.0.0/16", ports.KAMAILIO_HTTP.number),
        ("rtp", "10.2.0.0/16", ports.RTPENGINE_HTTP.number),
    }


def test_every_public_address_is_answered_only_while_its_check_passes(
    production: Synthesized,
) -> None:
    resources = production.stack("globex")["resource"]
    records = resources["aws_route53_record"].values()
    checks = {
        f"${{aws_route53_health_check.{name}.id}}": check
        for name, check in resources["aws_route53_health_check"].items()
    }
    pool = {
        f"${{aws_eip.{name}.public_ip}}" for name in resources["aws_eip"] if name.startswith("sbc_")
    }
    addresses = [record for record in records if record["type"] == "A"]
    assert {record["records"][0] for record in addresses} == pool
    assert len({record["set_identifier"] for record in addresses}) == len(pool)
    for record in addresses:
        assert checks[record["health_check_id"]]["ip_address"] == record["records"][0]
        assert checks[record["health_check_id"]]["port"] == ports.SIP.number


def test_each_transport_is_found_by_naptr_and_srv(production: Synthesized) -> None:
    records = production.stack("globex")["resource"]["aws_route53_record"].values()
    services = {r["name"]: r["records"] for r in records if r["type"] == "SRV"}
    (naptr,) = [r["records"] for r in records if r["type"] == "NAPTR"]
    assert services == {
        "_sip._udp.sip.globex.example": [f"10 10 {ports.SIP.number} sip.globex.example."],
        "_sip._tcp.sip.globex.example": [f"10 10 {ports.SIP.number} sip.globex.example."],
        "_sips._tcp.sip.globex.example": [f"10 10 {ports.SIPS.number} sip.globex.example."],
    }
    assert {line.split()[-1].rstrip(".") for line in naptr} == set(services)


def test_alarms_cover_every_group_and_database(demo: Synthesized, production: Synthesized) -> None:
    for stack in ("consul", "acme", "globex"):
        resources = production.stack(stack)["resource"]
        alarms = resources["aws_cloudwatch_metric_alarm"].values()
        watched = {tuple(alarm["dimensions"].values()) for alarm in alarms}
        groups = {(group["name"],) for group in resources["aws_autoscaling_group"].values()}
        databases = {(d["identifier"],) for d in resources.get("aws_db_instance", {}).values()}
        assert watched == groups | databases
        for alarm in alarms:
            assert alarm["alarm_actions"] == alarm["ok_actions"] != []
    assert "aws_cloudwatch_metric_alarm" not in demo.text("acme")  # no topic, no alarms


def test_addresses_and_nat_wait_for_the_internet_gateway(synthesized: Synthesized) -> None:
    """EC2 refuses a NAT gateway in a VPC without one, and cannot detach one under an address."""
    resources = synthesized.stack("network")["resource"]
    (gateway,) = resources["aws_internet_gateway"]
    for kind in ("aws_eip", "aws_nat_gateway"):
        for name, body in resources[kind].items():
            assert body["depends_on"] == [f"aws_internet_gateway.{gateway}"], name


def test_an_image_is_started_and_tested_before_it_is_offered(synthesized: Synthesized) -> None:
    ((_, pipeline),) = synthesized.resources("aws_imagebuilder_image_pipeline")
    assert pipeline["image_tests_configuration"] == {"image_tests_enabled": True}
    assert pipeline["enhanced_image_metadata_enabled"] is False
    ((_, component),) = synthesized.resources("aws_imagebuilder_component")
    phases = [phase["name"] for phase in yaml.safe_load(component["data"])["phases"]]
    assert phases == ["build", "validate", "test"]


def test_the_build_instance_may_list_what_it_downloads(synthesized: Synthesized) -> None:
    statements = {s["sid"]: s for where, s in synthesized.statements() if where.startswith("image")}
    (bucket,) = statements["ListAssets"]["resources"]
    assert statements["ListAssets"]["actions"] == ["s3:ListBucket"]
    assert statements["ReadAssets"]["resources"] == [f"{bucket}/payload.tar.gz"]
