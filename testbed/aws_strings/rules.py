"""What a string may be: as the model of an API says, as only its documentation says, or anything.

The models are those that botocore ships. Their patterns are Java's; all our strings are ASCII,
which is checked too, so Unicode's classes are read as their ASCII part.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Any

import botocore.session
from botocore.model import ServiceModel, Shape

_STEP = re.compile(r"\w+|\[\]|\{\}|\{key\}")
_UNICODE_CLASSES = {r"\p{L}": "A-Za-z", r"\p{N}": "0-9", r"\p{Z}": " "}
_BEYOND_ASCII = r"\uD7FF\uE000-\uFFFD\uD800\uDC00-\uDBFF\uDFFF"  # the end of a range
_PRINTABLE = re.compile(r"[\t\n\r\x20-\x7e]*")


@dataclass(frozen=True)
class Api:
    """The constraints of an API's model: pattern, length and enumeration of a member of its input.

    `member` is a path: `Tags[].Key` for lists, `tags{}` for a map's values, `tags{key}` for its
    keys. An unknown member is a `KeyError`.
    """

    service: str
    operation: str
    member: str

    def problem(self, value: str) -> str | None:
        shape = self.shape()
        metadata = shape.metadata
        values = getattr(shape, "enum", None) or ()
        if values:
            return None if value in values else f"is none of {_some(values)} ({self})"
        low, high = int(metadata.get("min", 0)), int(metadata.get("max", len(value)))
        if not low <= len(value) <= high:
            return f"has {len(value)} characters, not {low} to {high} ({self})"
        pattern = metadata.get("pattern")
        if pattern and not _ascii(str(pattern)).fullmatch(value):
            return f"does not match {pattern} ({self})"
        return None

    def shape(self) -> Shape:
        """The model of the member."""
        return _shape(self.service, self.operation, self.member)

    @property
    def constrains(self) -> bool:
        """False when the model accepts any string, so that the rule would say nothing."""
        metadata = self.shape().metadata
        limited = {"pattern", "max"} & metadata.keys()
        return bool(limited or metadata.get("enum"))

    def __str__(self) -> str:
        return f"{self.service} {self.operation} {self.member}"


@dataclass(frozen=True)
class Documented:
    """What an API's documentation says and its model does not."""

    pattern: str  # of the whole string
    longest: int
    source: str  # where AWS says so
    shortest: int = 1
    flags: int = 0

    def problem(self, value: str) -> str | None:
        if not self.shortest <= len(value) <= self.longest:
            return (
                f"has {len(value)} characters, not {self.shortest} to {self.longest} "
                f"({self.source})"
            )
        if not re.fullmatch(self.pattern, value, self.flags):
            return f"does not match {self.pattern} ({self.source})"
        return None


@dataclass(frozen=True)
class Exempt:
    """No rule of ours, for a reason."""

    reason: str

    def problem(self, value: str) -> str | None:
        return None


Rule = Api | Documented | Exempt


def printable(value: str) -> str | None:
    """What is wrong with a string that is not ASCII text."""
    return None if _PRINTABLE.fullmatch(value) else "is not printable ASCII"


@cache
def _model(service: str) -> ServiceModel:
    loader = botocore.session.get_session().get_component("data_loader")
    return ServiceModel(loader.load_service_model(service, "service-2"), service)


@cache
def _shape(service: str, operation: str, member: str) -> Shape:
    shape: Any = _model(service).operation_model(operation).input_shape
    for step in _STEP.findall(member):
        if step == "[]":
            shape = shape.member
        elif step == "{}":
            shape = shape.value
        elif step == "{key}":
            shape = shape.key
        else:
            shape = shape.members[step]
    if shape.type_name != "string":
        raise KeyError(f"{service} {operation} {member}: a {shape.type_name}, not a string")
    found: Shape = shape
    return found


@cache
def _ascii(pattern: str) -> re.Pattern[str]:
    for unicode, ascii_part in _UNICODE_CLASSES.items():
        pattern = pattern.replace(unicode, ascii_part)
    return re.compile(pattern.replace(_BEYOND_ASCII, r"\x7e"))


def _some(values: list[str]) -> str:
    return ", ".join(values[:5]) + (" ..." if len(values) > 5 else "")
