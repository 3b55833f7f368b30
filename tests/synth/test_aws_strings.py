"""AWS accepts every name, description and other string that the stacks send to it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from settings import Deployment, load
from settings.base import NAME_PATTERN
from settings.load import parse
from testbed.aws_strings.catalogue import CATALOGUE
from testbed.aws_strings.lint import findings, strings
from testbed.aws_strings.rules import Api, Exempt
from testbed.synthesized import Json, Synthesized, synthesize

# Stand-ins that are unlike anything else in the JSON, so that other names can replace them.
DEPLOYMENT, TENANT, SIP_NAME, IMAGE = "zqdeployment", "zqtenant", "zqname.example", "zqimage-*"
LONGEST = "a" + "b" * 17 + "-c"  # 20 characters


def _yaml(deployment: str, tenant: str, sip_name: str, image: str) -> str:
    return json.dumps(
        {
            "deployment": deployment,
            "region": "ap-southeast-1",
            "zones": [f"ap-southeast-1{letter}" for letter in "abcdef"],
            "alarm_topic": f"arn:aws-us-gov:sns:ap-southeast-1:123456789012:{'t' * 256}",
            "image": {"name": image},
            "metrics_sources": ["10.255.255.128/25"],
            "consul": {"servers": 5},
            "tenants": [
                {
                    "name": tenant,
                    "dns": {"name": sip_name, "zone_id": "Z" + "1" * 31},
                    "sbc": {"max": 100, "spare_addresses": 100},
                    "api_sources": ["10.255.255.128/25"],
                    "sip": {"capture": {"homer": "203.0.113.250:65535"}},
                }
            ],
        }
    )


def _settings(deployment: str, tenant: str, sip_name: str, image: str) -> Deployment:
    return parse(_yaml(deployment, tenant, sip_name, image), Path("extreme.yaml"))


def _stacks(synthesized: Synthesized) -> dict[str, Json]:
    return {name: synthesized.stack(name) for name in synthesized.names}


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Json]:
    """The stacks of a deployment with every option, under the stand-ins' names."""
    chosen = _settings(DEPLOYMENT, TENANT, SIP_NAME, IMAGE)
    return _stacks(synthesize(chosen, tmp_path_factory.mktemp("everything")))


def _renamed(stacks: dict[str, Json], names: dict[str, str]) -> dict[str, Json]:
    text = json.dumps(stacks)
    for name, other in names.items():
        assert name in text
        text = text.replace(name, other)
    renamed: dict[str, Json] = json.loads(text)
    return renamed


def _names(deployment: str, tenant: str, sip_name: str, image: str) -> dict[str, str]:
    return {
        DEPLOYMENT: deployment,
        TENANT: tenant,
        SIP_NAME: sip_name,
        IMAGE.rstrip("*"): image.rstrip("*"),
    }


def test_aws_accepts_every_string(synthesized: Synthesized) -> None:
    assert not [str(finding) for finding in findings(_stacks(synthesized))]


def test_aws_accepts_every_string_with_every_option(everything: dict[str, Json]) -> None:
    assert not [str(finding) for finding in findings(everything)]


def _longest_sip_name() -> str:
    for length in range(253, 100, -1):
        labels = [("s" * 63)] * 4
        name = ".".join(labels)[: length - 4].rstrip(".") + ".com"
        try:
            _settings(LONGEST, LONGEST, name, "c4-*")
        except Exception:
            continue
        return name
    raise AssertionError("no long name is allowed")


def _longest_image_name() -> str:
    for length in range(200, 10, -1):
        name = "c4-".ljust(length - 1, "i") + "*"
        try:
            _settings(LONGEST, LONGEST, "sip.example", name)
        except Exception:
            continue
        return name
    raise AssertionError("no long name is allowed")


def test_aws_accepts_the_longest_names_that_the_settings_allow(
    everything: dict[str, Json],
) -> None:
    names = _names(LONGEST, LONGEST, _longest_sip_name(), _longest_image_name())
    assert not [str(finding) for finding in findings(_renamed(everything, names))]


@st.composite
def _name(draw: st.DrawFn) -> str:
    words = draw(st.lists(st.from_regex(r"[a-z0-9]{1,9}", fullmatch=True), min_size=1, max_size=9))
    name = (draw(st.sampled_from("abz")) + "-".join(words))[:20].rstrip("-")
    return name if len(name) > 1 else f"{name}0"


def _allowed(name: str) -> bool:
    return re.fullmatch(NAME_PATTERN, name) is not None and 2 <= len(name) <= 20


@given(
    deployment=_name().filter(_allowed),
    tenant=_name().filter(_allowed),
    sip_name=st.from_regex(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?\.[a-z]{2,63}", fullmatch=True),
    image=st.from_regex(r"[A-Za-z0-9][A-Za-z0-9 ._-]{1,80}\*", fullmatch=True),
)
@settings(max_examples=20, deadline=None)
def test_aws_accepts_whatever_the_settings_allow(
    everything: dict[str, Json], deployment: str, tenant: str, sip_name: str, image: str
) -> None:
    _settings(deployment, tenant, sip_name, image)
    names = _names(deployment, tenant, sip_name, image)
    assert not [str(finding) for finding in findings(_renamed(everything, names))]


def _broken(stack: Json, kind: str, argument: str, value: Any) -> Json:
    broken: Json = json.loads(json.dumps(stack))
    first = next(iter(broken["resource"][kind].values()))
    first[argument] = value
    return broken


# The first is what the image stack said before; EC2 refused it, and no tool had noticed.
REFUSED = [
    ("image", "aws_vpc_security_group_egress_rule", "description", "Debian's mirrors"),
    ("image", "aws_security_group", "description", "x" * 256),
    ("image", "aws_security_group", "name", "sg-image"),
    ("image", "aws_s3_bucket", "bucket", "C4_bucket"),
    ("image", "aws_imagebuilder_component", "data", "x" * 16001),
    ("image", "aws_imagebuilder_component", "platform", "Debian"),
    ("image", "aws_imagebuilder_image_recipe", "version", "1.2"),
    ("acme", "aws_iam_role", "name", "r" * 65),
    ("acme", "aws_iam_role", "name", "rôle"),
    ("acme", "aws_db_instance", "identifier", "c4--acme"),
    ("acme", "aws_db_instance", "instance_class", "m6g.large"),
    ("acme", "aws_launch_template", "instance_type", "c6i.lrage"),
    ("acme", "aws_launch_template", "tags", {"aws:name": "x"}),
    ("acme", "aws_launch_template", "user_data", "A" * 21852),
    ("acme", "aws_secretsmanager_secret", "name", "c4/demo/acme-router"),
    ("acme", "aws_eip", "tags", {"Name": "a*b"}),
    ("network", "aws_kms_alias", "name", "c4-demo"),
    ("network", "aws_vpc_endpoint", "vpc_endpoint_type", "interface"),
]


@pytest.mark.parametrize(("stack", "kind", "argument", "value"), REFUSED)
def test_what_aws_refuses_is_found(
    demo: Synthesized, stack: str, kind: str, argument: str, value: Any
) -> None:
    broken = _broken(demo.stack(stack), kind, argument, value)
    found = {finding.where for finding in findings({stack: broken})}
    assert any(
        where.startswith(f"{stack}/{kind}.") and f".{argument}" in where for where in found
    ), found


def test_a_new_type_or_attribute_has_to_be_decided(demo: Synthesized) -> None:
    stack = demo.stack("network")
    stack["resource"]["aws_sqs_queue"] = {"queue": {"name": "calls"}}
    found = {finding.where: finding.problem for finding in findings({"network": stack})}
    assert "not in the catalogue" in found["network/aws_sqs_queue"]
    other = _broken(demo.stack("network"), "aws_vpc", "instance_tenancy", "default")
    (finding,) = findings({"network": other})
    assert "has no rule" in finding.problem


def _rules() -> Iterator[tuple[str, Any]]:
    for kind, attributes in CATALOGUE.items():
        for attribute, rules in attributes.items():
            yield from ((f"{kind}.{attribute}", rule) for rule in rules)


def test_rules_say_something() -> None:
    """A member that the model does not limit would pass for a check; it needs a documented rule."""
    for where, rule in _rules():
        if isinstance(rule, Api):
            assert rule.constrains, f"{where}: {rule}"
        elif isinstance(rule, Exempt):
            assert len(rule.reason) > 10, where
        else:
            assert rule.source, where


def test_catalogue_has_no_rules_for_what_is_gone(
    demo: Synthesized, production: Synthesized, everything: dict[str, Json]
) -> None:
    used = {
        f"{kind}.{attribute}"
        for stacks in (_stacks(demo), _stacks(production), everything)
        for stack in stacks.values()
        for kind, _, attribute, _ in strings(stack)
    }
    unused = {where for where, _ in _rules()} - used
    assert unused <= {"aws_launch_template.image_id"}


def test_files_of_the_repository_have_no_more_than_these_deployments() -> None:
    """A new example deployment has to be linted too: `conftest.DEPLOYMENTS` names them."""
    names = {path.stem for path in (Path(__file__).parents[2] / "deployments").glob("*.yaml")}
    assert {load(name).deployment for name in names} == {"demo", "prod"}
