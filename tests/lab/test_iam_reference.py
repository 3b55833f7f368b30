"""Our evaluation of policies agrees with that of an independent program (iam-simulate)."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lab.aws.iam.documents import parse
from lab.aws.iam.evaluation import Policies, Principal, decide
from lab.names import ACCOUNT
from settings.load import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
FOLDER = ROOT / "testbed/iam/simulate"
BIN = f"{ROOT / '.venv/bin'}:{os.environ.get('PATH', '')}"
PRINCIPAL = Principal(ACCOUNT, "c4-demo-acme-sbc", "i-0123456789abcdef0")
ROOT_ARN = f"arn:aws:iam::{ACCOUNT}:root"
Json = dict[str, Any]


class Reference:
    """The other program, which answers line by line."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def allows(self, simulation: Json) -> bool:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(simulation) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        assert "error" not in answer, answer["error"]
        return bool(answer["result"] == "Allowed")


@pytest.fixture(scope="module")
def reference() -> Iterator[Reference]:
    environment = {**os.environ, "PATH": BIN}
    environment.pop("NODE_OPTIONS", None)
    if not (FOLDER / "node_modules/.package-lock.json").exists():
        npm = shutil.which("npm", path=BIN)
        assert npm is not None, "npm is not installed; scripts/bootstrap tests"
        subprocess.run(
            [npm, "ci", "--no-fund", "--no-audit", "--loglevel=error"],
            cwd=FOLDER, env=environment, check=True, timeout=500,
        )  # fmt: skip
    node = shutil.which("node", path=BIN)
    assert node is not None
    with subprocess.Popen(
        [node, "simulate.mjs"],
        cwd=FOLDER,
        env=environment,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        yield Reference(process)
        assert process.stdin is not None
        process.stdin.close()


# Few words, so that policies and requests often meet.
words = st.sampled_from(["acme", "other", "a*", "*", "?cme", "ACME", "${aws:PrincipalTag/team}"])
tags = st.sampled_from(["acme", "other", "ACME", "a*", "x"])
actions = st.sampled_from(
    ["ec2:CreateTags", "ec2:*", "*", "ec2:create*", "EC2:CREATETAGS", "ec2:DeleteTags", "s3:*"]
)
ADDRESS = f"arn:aws:ec2:eu-central-1:{ACCOUNT}:elastic-ip"
asked = st.sampled_from([f"{ADDRESS}/eipalloc-1", f"{ADDRESS}/acme"])
on = st.sampled_from(
    [
        "*",
        f"{ADDRESS}/*",
        f"{ADDRESS}/eipalloc-?",
        f"{ADDRESS}/${{aws:PrincipalTag/team}}",
        f"{ADDRESS}/${{aws:PrincipalTag/none}}",
        "arn:aws:ec2:*:*:elastic-ip/*",
        "arn:aws:ec2:us-east-1:*:elastic-ip/*",
        f"arn:aws:ec2:eu-central-1:{ACCOUNT}:instance/*",
    ]
)
SINGLE = ("aws:ResourceTag/team", "aws:PrincipalTag/team", "ec2:Missing")
arns = st.sampled_from(
    ["arn:aws:iam::1:role/a", "arn:aws:iam::*:role/*", "arn:*:iam::1:*", "arn:aws:iam::1:role/?"]
)
numbers = st.sampled_from(["1", "2", "2.0", "10"])
dates = st.sampled_from(["2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z"])
networks = st.sampled_from(["10.0.0.0/8", "10.40.0.1", "10.40.0.0/16", "192.0.2.0/24"])
KINDS: dict[str, tuple[st.SearchStrategy[str], tuple[str, ...], tuple[str, ...]]] = {
    # values, keys, operators
    "text": (words, SINGLE, ("StringEquals", "StringNotEquals", "StringEqualsIgnoreCase",
                             "StringNotEqualsIgnoreCase", "StringLike", "StringNotLike")),
    "arn": (arns, ("aws:SourceArn",), ("ArnEquals", "ArnLike", "ArnNotEquals", "ArnNotLike")),
    "number": (numbers, ("s3:max-keys",),
               ("NumericEquals", "NumericNotEquals", "NumericLessThan", "NumericLessThanEquals",
                "NumericGreaterThan", "NumericGreaterThanEquals")),
    "date": (dates, ("aws:CurrentTime",), ("DateEquals", "DateNotEquals", "DateLessThan",
                                           "DateGreaterThanEquals")),
    "bool": (st.sampled_from(["true", "false"]), ("aws:SecureTransport",), ("Bool",)),
    "address": (networks, ("aws:SourceIp",), ("IpAddress", "NotIpAddress")),
}  # fmt: skip


@st.composite
def conditions(draw: st.DrawFn) -> Json:
    found: Json = {}
    for _ in range(draw(st.integers(0, 2))):
        form = draw(st.sampled_from([*KINDS, "null", "several"]))
        if form == "null":
            key = draw(st.sampled_from([*SINGLE, "aws:TagKeys"]))
            operator, values = "Null", [draw(st.sampled_from(["true", "false"]))]
        elif form == "several":
            key = "aws:TagKeys"
            quantifier = draw(st.sampled_from(["ForAllValues:", "ForAnyValue:", ""]))
            operator = quantifier + draw(st.sampled_from(KINDS["text"][2]))
            values = draw(st.lists(words, min_size=1, max_size=2))
        else:
            texts, keys, operators = KINDS[form]
            key = draw(st.sampled_from(keys))
            operator = draw(st.sampled_from(operators)) + draw(st.sampled_from(["", "IfExists"]))
            values = draw(st.lists(texts, min_size=1, max_size=2))
        found.setdefault(operator, {})[key] = values
    return found


@st.composite
def statements(draw: st.DrawFn, *, of_resource: bool = False) -> Json:
    found: Json = {
        "Effect": draw(st.sampled_from(["Allow", "Allow", "Allow", "Deny"])),
        draw(st.sampled_from(["Action", "Action", "NotAction"])): draw(
            st.lists(actions, min_size=1, max_size=2)
        ),
        draw(st.sampled_from(["Resource", "Resource", "NotResource"])): draw(
            st.lists(on, min_size=1, max_size=2)
        ),
        "Condition": draw(conditions()),
    }
    if of_resource:
        found["Principal"] = draw(
            st.sampled_from(
                [
                    "*",
                    {"AWS": ROOT_ARN},
                    {"AWS": ACCOUNT},
                    {"AWS": PRINCIPAL.role_arn},
                    {"AWS": PRINCIPAL.arn},
                    {"AWS": f"arn:aws:iam::{ACCOUNT}:role/other"},
                    {"Service": "logs.eu-central-1.amazonaws.com"},
                ]
            )
        )
    return found


def policies(*, of_resource: bool = False) -> st.SearchStrategy[Json]:
    return st.lists(statements(of_resource=of_resource), min_size=1, max_size=3).map(
        lambda found: {"Version": "2012-10-17", "Statement": found}
    )


contexts = st.fixed_dictionaries(
    {},
    optional={
        "aws:ResourceTag/team": tags,
        "aws:PrincipalTag/team": tags,
        "aws:TagKeys": st.lists(tags, min_size=1, max_size=2),
        "aws:SourceArn": st.sampled_from(["arn:aws:iam::1:role/a", "arn:aws:iam::2:user/b"]),
        "s3:max-keys": numbers,
        "aws:CurrentTime": dates,
        "aws:SecureTransport": st.sampled_from(["true", "false"]),
        "aws:SourceIp": st.sampled_from(["10.40.0.1", "192.0.2.7"]),
    },
)


def ours(
    context: Json, resource: str, identity: Json, of_resource: Json | None, boundary: Json | None,
    action: str = "ec2:CreateTags", key: bool = False,
) -> bool:  # fmt: skip
    lower = {k.lower(): tuple(v) if isinstance(v, list) else v for k, v in context.items()}

    def read(policy: Json | None) -> Any:
        return None if policy is None else parse("p", json.dumps(policy))

    return decide(
        PRINCIPAL,
        action,
        resource,
        lower,
        Policies((read(identity),), read(boundary), read(of_resource), key),
    ).allowed


def theirs(
    reference: Reference, context: Json, resource: str, identity: Json, of_resource: Json | None,
    boundary: Json | None, action: str = "ec2:CreateTags",
) -> bool:  # fmt: skip
    return reference.allows(
        {
            "principal": PRINCIPAL.arn,
            "action": action,
            "resource": resource,
            "account": ACCOUNT,
            "context": context,
            "identity": identity,
            "own": of_resource,
            "boundary": boundary,
        }
    )


EXAMPLES = settings(
    max_examples=150, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)


@EXAMPLES
@given(contexts, asked, policies())
def test_identity_policies(
    reference: Reference, context: Json, resource: str, identity: Json
) -> None:
    assert ours(context, resource, identity, None, None) == theirs(
        reference, context, resource, identity, None, None
    )


@EXAMPLES
@given(contexts, asked, policies(), st.none() | policies(of_resource=True), st.none() | policies())
def test_policies_of_resources_and_boundaries(
    reference: Reference,
    context: Json,
    resource: str,
    identity: Json,
    of_resource: Json | None,
    boundary: Json | None,
) -> None:
    assert ours(context, resource, identity, of_resource, boundary) == theirs(
        reference, context, resource, identity, of_resource, boundary
    )


KEY = f"arn:aws:kms:eu-central-1:{ACCOUNT}:key/1234"


def _for_a_key(policy: Json) -> Json:
    """The policy, about the use of a key."""
    text = json.dumps(policy)
    for theirs_, ours_ in (("ec2:CreateTags", "kms:Decrypt"), ("ec2:*", "kms:*"),
                           (f"{ADDRESS}/*", KEY)):  # fmt: skip
        text = text.replace(theirs_, ours_)
    found: Json = json.loads(text)
    return found


@EXAMPLES
@given(contexts, policies(), policies(of_resource=True), st.none() | policies())
def test_policies_of_keys(
    reference: Reference, context: Json, identity: Json, of_key: Json, boundary: Json | None
) -> None:
    identity, of_key = _for_a_key(identity), _for_a_key(of_key)
    limit = None if boundary is None else _for_a_key(boundary)
    assert ours(context, KEY, identity, of_key, limit, "kms:Decrypt", key=True) == theirs(
        reference, context, KEY, identity, of_key, limit, "kms:Decrypt"
    )


def test_the_reference_is_outside_of_what_is_deployed() -> None:
    """Its licence (AGPL) allows the use as a tool; our code must not contain or load it."""
    for folder in ("agent", "lab", "constructs", "stacks", "image", "router_confd"):
        for file in Path(ROOT, folder).rglob("*.py"):
            assert "cloud-copilot" not in file.read_text(encoding="utf-8"), file
