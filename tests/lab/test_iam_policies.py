"""Policies are read as AWS reads them, where home-made evaluators usually err."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lab.aws.iam.documents import PolicyError, parse
from lab.aws.iam.evaluation import Decision, Policies, Principal, decide
from lab.names import ACCOUNT

PRINCIPAL = Principal(ACCOUNT, "sbc", "i-1")
BUCKET = "arn:aws:s3:::bucket"
Json = dict[str, Any]


def statement(**changes: Any) -> Json:
    return {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"} | changes


def judged(
    *statements: Json, resource: str = f"{BUCKET}/a/b", action: str = "s3:GetObject", **keys: Any
) -> Decision:
    """The decision on a call whose condition keys are `keys`, with `__` for a colon."""
    text = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
    context = {name.replace("__", ":").lower(): value for name, value in keys.items()}
    return decide(PRINCIPAL, action, resource, context, Policies((parse("p", text),)))


def test_nothing_is_allowed_without_a_word_and_a_deny_is_the_last_word() -> None:
    assert judged().reason == "because no identity-based policy allows the s3:GetObject action"
    assert judged(statement()).allowed
    denied = judged(statement(), statement(Effect="Deny"))
    assert denied.reason == "with an explicit deny in an identity-based policy"


@pytest.mark.parametrize(
    ("condition", "keys", "allowed"),
    [
        # a set operator over a key that the request does not have
        ({"ForAllValues:StringEquals": {"aws:TagKeys": ["a"]}}, {}, True),
        ({"ForAnyValue:StringEquals": {"aws:TagKeys": ["a"]}}, {}, False),
        ({"ForAllValues:StringEquals": {"aws:TagKeys": ["a"]}},
         {"aws__TagKeys": ("a", "b")}, False),
        ({"ForAnyValue:StringEquals": {"aws:TagKeys": ["a"]}},
         {"aws__TagKeys": ("a", "b")}, True),
        # so a permission for some tag keys has to ask for the key itself
        ({"Null": {"aws:TagKeys": "false"}}, {}, False),
        ({"Null": {"aws:TagKeys": "false"}}, {"aws__TagKeys": ("a",)}, True),
        ({"Null": {"aws:TagKeys": "true"}}, {}, True),
        # missing keys
        ({"StringEquals": {"aws:SourceVpc": "a"}}, {}, False),
        ({"StringNotEquals": {"aws:SourceVpc": "a"}}, {}, True),
        ({"StringEqualsIfExists": {"aws:SourceVpc": "a"}}, {}, True),
        ({"StringEqualsIfExists": {"aws:SourceVpc": "a"}}, {"aws__SourceVpc": "b"}, False),
        # several values without a quantifier
        ({"StringLike": {"aws:TagKeys": "*"}}, {"aws__TagKeys": ("a",)}, False),
        # names of keys have no case, their values do
        ({"StringEquals": {"AWS:sourcevpc": "a"}}, {"aws__SourceVpc": "a"}, True),
        ({"StringEquals": {"aws:SourceVpc": "A"}}, {"aws__SourceVpc": "a"}, False),
        # wildcards only where the operator has them
        ({"StringEquals": {"aws:SourceVpc": "*"}}, {"aws__SourceVpc": "a"}, False),
        ({"StringLike": {"aws:SourceVpc": "${*}"}}, {"aws__SourceVpc": "a"}, False),
        ({"StringLike": {"aws:SourceVpc": "${*}"}}, {"aws__SourceVpc": "*"}, True),
        # a variable stands for text, not for a pattern
        ({"StringLike": {"aws:SourceVpc": "${aws:PrincipalTag/t}"}},
         {"aws__SourceVpc": "abc", "aws__PrincipalTag/t": "a*"}, False),
        ({"StringLike": {"aws:SourceVpc": "${aws:PrincipalTag/t}*"}},
         {"aws__SourceVpc": "abc", "aws__PrincipalTag/t": "a"}, True),
        ({"StringEquals": {"aws:SourceVpc": "${aws:PrincipalTag/t, 'dflt'}"}},
         {"aws__SourceVpc": "dflt"}, True),
        # a wildcard in a field of an ARN stays in that field
        ({"ArnLike": {"aws:SourceArn": "arn:aws:*:role/x"}},
         {"aws__SourceArn": "arn:aws:iam::1:role/x"}, False),
        ({"ArnEquals": {"aws:SourceArn": "arn:aws:iam::*:role/x"}},
         {"aws__SourceArn": "arn:aws:iam::1:role/x"}, True),
        ({"Bool": {"aws:SecureTransport": True}}, {"aws__SecureTransport": "true"}, True),
        ({"NumericLessThan": {"s3:max-keys": 10}}, {"s3__max-keys": "9"}, True),
        ({"DateGreaterThan": {"aws:CurrentTime": "2026-01-01T00:00:00Z"}},
         {"aws__CurrentTime": "2026-01-01T00:00:01Z"}, True),
        ({"IpAddress": {"aws:SourceIp": "10.40.0.0/16"}}, {"aws__SourceIp": "10.41.0.1"}, False),
        ({"BinaryEquals": {"k": "QUJD"}}, {"k": "QUJD"}, True),
    ],
)  # fmt: skip
def test_conditions(condition: Json, keys: Json, allowed: bool) -> None:
    assert judged(statement(Condition=condition), **keys).allowed is allowed


@pytest.mark.parametrize(
    ("resource", "allowed"),
    [
        (f"{BUCKET}/*", True),
        (f"{BUCKET}/a/?", True),
        (BUCKET, False),
        ("arn:aws:s3:*", True),
        ("arn:aws:ec2:*", False),
        (f"{BUCKET}/${{aws:PrincipalTag/none}}/*", False),
    ],
)
def test_resources(resource: str, allowed: bool) -> None:
    assert judged(statement(Resource=resource)).allowed is allowed
    assert judged(statement(), statement(Effect="Deny", Resource=resource)).allowed is not allowed


def test_actions_have_no_case_and_may_be_excepted() -> None:
    assert judged(statement(Action="S3:getobject")).allowed
    assert judged(statement(Action=["s3:Get*"])).allowed
    assert not judged(statement(Action="s3:GetObjec")).allowed
    body = {"Effect": "Allow", "NotAction": "s3:GetObject", "Resource": "*"}
    assert not judged(body).allowed
    assert judged(body, action="s3:PutObject").allowed


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"Condition": {"StringMatches": {"k": "v"}}}, "StringMatches"),
        ({"Condition": {"ForSomeValues:StringEquals": {"k": "v"}}}, "ForSomeValues"),
        ({"NotPrincipal": "*"}, "NotPrincipal"),
        ({"Effect": "allow"}, "Effect"),
    ],
)
def test_what_is_not_understood_is_an_error_and_never_allowed(changes: Json, named: str) -> None:
    text = json.dumps({"Statement": [statement(**changes)]})
    with pytest.raises(PolicyError, match=named):
        parse("p", text)
