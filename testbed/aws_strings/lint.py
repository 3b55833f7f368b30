"""Reads the strings of a synthesized deployment and applies the rules of the catalogue."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from testbed.aws_strings.catalogue import CATALOGUE, TAG_KEY, TAG_VALUE
from testbed.aws_strings.rules import Rule, printable

Json = dict[str, Any]
# Arguments of Terraform itself, which no provider sends.
META: Final = {"//", "depends_on", "lifecycle", "provider", "provisioner", "connection", "count"}
MAPS: Final = {"tags", "ami_tags", "dimensions"}  # keys that we choose; other objects are blocks
REFERENCE: Final = re.compile(r"\$\{([^{}]*)\}")
PLACE: Final = re.compile(r"(data\.)?(aws_\w+)\.([\w-]+)\.(\w+)")
# The longest that AWS may put in place of what is not in the JSON.
SAMPLES: Final = (
    (re.compile(r"data\.aws_partition\.[\w-]+\.partition"), "aws-us-gov"),
    (re.compile(r"data\.aws_caller_identity\.[\w-]+\.account_id"), "123456789012"),
    (re.compile(r"parseint\(element\(split\(.*"), "20261129"),  # a date
    (re.compile(r"parseint\(substr\(.*, 0, 7\), 16\)"), str(16**7 - 1)),
)


@dataclass(frozen=True)
class Finding:
    """A string that AWS would refuse, or that nobody has decided about."""

    where: str  # stack, type, logical id, attribute
    value: str
    problem: str

    def __str__(self) -> str:
        return f"{self.where}: {self.value[:80]!r} {self.problem}"


def findings(stacks: Mapping[str, Json]) -> list[Finding]:
    """Everything that is wrong with the strings of these stacks, by the stack's name."""
    return [finding for name, stack in stacks.items() for finding in _of_stack(name, stack)]


def strings(stack: Json) -> Iterator[tuple[str, str, str, str]]:
    """`(type, logical id, attribute, value)` of every string of the resources of a stack."""
    for kind, resources in stack.get("resource", {}).items():
        for id_, body in resources.items():
            for attribute, value in _strings("", body):
                yield kind, id_, attribute, value


def _of_stack(name: str, stack: Json) -> Iterator[Finding]:
    for kind, id_, attribute, text in strings(stack):
        value = _resolved(stack, text)
        where = f"{name}/{kind}.{id_}.{attribute}"
        rules = _rules(kind, attribute)
        reference = REFERENCE.fullmatch(text)
        if reference and (value is None or rules is None):
            continue  # to what AWS made, or to an argument that is judged where it stands
        if value is None:
            yield Finding(where, text, "has a reference whose value is unknown to the lint")
            continue
        if problem := printable(value):
            yield Finding(where, value, problem)
        if rules is None:
            yield Finding(where, value, "has no rule: add it to testbed/aws_strings/catalogue.py")
        for rule in rules or ():
            if problem := rule.problem(value):
                yield Finding(where, value, problem)
    for kind in stack.get("resource", {}):
        if kind not in CATALOGUE:
            yield Finding(f"{name}/{kind}", "", "is a type that is not in the catalogue")
    for provider in stack.get("provider", {}).get("aws", []):
        for tags in provider.get("default_tags", []):
            for key, value in tags["tags"].items():
                for rule, text in ((TAG_KEY, key), (TAG_VALUE, value)):
                    if problem := rule.problem(text):
                        yield Finding(f"{name}/default_tags.{key}", text, problem)


def _rules(kind: str, attribute: str) -> tuple[Rule, ...] | None:
    return CATALOGUE.get(kind, {}).get(attribute)


def _strings(path: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, list):
        for item in value:
            yield from _strings(path, item)
    elif isinstance(value, dict) and path.rpartition(".")[2] in MAPS:
        for key, item in value.items():
            yield f"{path}{{key}}", key
            yield f"{path}{{}}", item
    elif isinstance(value, dict):
        for key, item in value.items():
            if path or key not in META:
                yield from _strings(f"{path}.{key}" if path else key, item)


def _resolved(stack: Json, text: str) -> str | None:
    """The text with the values of its references, or None where one is AWS's to give."""
    unknown = False

    def value(match: re.Match[str]) -> str:
        nonlocal unknown
        for pattern, sample in SAMPLES:
            if pattern.fullmatch(match[1]):
                return sample
        if (place := PLACE.fullmatch(match[1])) and not place[1]:
            argument = stack["resource"].get(place[2], {}).get(place[3], {}).get(place[4])
            if isinstance(argument, str) and (inner := _resolved(stack, argument)) is not None:
                return inner
        unknown = True
        return ""

    resolved = REFERENCE.sub(value, text)
    return None if unknown else resolved
