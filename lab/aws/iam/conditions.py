"""Condition operators of IAM, with AWS's rules for keys that a request does not have."""

from __future__ import annotations

import base64
import binascii
import datetime
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Any, Final

from lab.aws.iam.patterns import Context, arn_matches, matches

ALL: Final = "ForAllValues"
ANY: Final = "ForAnyValue"
NULL: Final = "Null"
_IF_EXISTS: Final = "IfExists"

# (value in the policy, value in the request, context, variables are allowed) -> it matches
Test = Callable[[str, str, Context, bool], bool | None]  # None: a variable has no value


class UnknownOperator(ValueError):
    """IAM has no such condition operator."""


@dataclass(frozen=True)
class Condition:
    """One key of one operator, for example `ForAllValues:StringLike`, with its values."""

    operator: str  # without quantifier and IfExists
    key: str  # in lower case, as names of keys are not case-sensitive
    values: tuple[str, ...]
    quantifier: str = ""  # ForAllValues, ForAnyValue
    if_exists: bool = False
    variables: bool = True

    @classmethod
    def parse(cls, name: str, key: str, values: tuple[str, ...], *, variables: bool) -> Condition:
        """Raises `UnknownOperator`."""
        quantifier, colon, base = name.rpartition(":")
        if_exists = base.endswith(_IF_EXISTS)
        base = base.removesuffix(_IF_EXISTS)
        if (colon and quantifier not in (ALL, ANY)) or base not in {NULL, *OPERATORS}:
            raise UnknownOperator(f"condition operator {name!r} is unknown")
        if base == NULL and (colon or if_exists):
            raise UnknownOperator(f"condition operator {name!r}: Null has no other form")
        return cls(base, key.lower(), values, quantifier, if_exists, variables)

    def holds(self, context: Context) -> bool:
        value = context.get(self.key)
        if self.operator == NULL:
            return str(value is None).lower() in {wanted.lower() for wanted in self.values}
        test, negated = OPERATORS[self.operator]

        def accepts(one: str) -> bool:
            found = [test(text, one, context, self.variables) for text in self.values]
            # A variable without a value matches nothing, and differs from nothing.
            return all(result is False for result in found) if negated else any(found)

        if self.quantifier == ALL:  # true of no value at all
            return all(accepts(one) for one in _several(value))
        if self.quantifier == ANY:
            if value is None:
                return self.if_exists
            return any(accepts(one) for one in _several(value))
        if value is None:
            return self.if_exists or negated
        # A key with several values matches nothing without a quantifier.
        return isinstance(value, str) and accepts(value)


def _several(value: str | tuple[str, ...] | None) -> tuple[str, ...]:
    if value is None:
        return ()
    return (value,) if isinstance(value, str) else value


def _text(wildcards: bool, ignore_case: bool = False) -> Test:
    def test(wanted: str, value: str, context: Context, variables: bool) -> bool | None:
        return matches(
            wanted,
            value,
            context,
            variables=variables,
            wildcards=wildcards,
            ignore_case=ignore_case,
        )

    return test


def _arn(wanted: str, value: str, context: Context, variables: bool) -> bool:
    return arn_matches(wanted, value, context, variables=variables) is True


def _compared(read: Callable[[str], Any], compare: Callable[[Any, Any], bool]) -> Test:
    """A comparison of two values; a text that cannot be read matches nothing."""

    def test(wanted: str, value: str, _context: Context, _variables: bool) -> bool:
        try:
            return compare(read(value), read(wanted))
        except (ValueError, TypeError, binascii.Error):
            return False

    return test


def _number(text: str) -> float:
    if not re.fullmatch(r"-?\d+(\.\d+)?", text):
        raise ValueError(text)
    return float(text)


def _date(text: str) -> float:
    """Seconds since 1970, from that number or from ISO 8601."""
    if text.isdigit():
        return float(text)
    found = datetime.datetime.fromisoformat(text)
    return (found if found.tzinfo else found.replace(tzinfo=datetime.UTC)).timestamp()


def _bool(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError(text)
    return text.lower() == "true"


def _inside(wanted: str, value: str, _context: Context, _variables: bool) -> bool:
    try:
        return ip_address(value) in ip_network(wanted, strict=False)
    except ValueError:
        return False


def _bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


_Operators = dict[str, tuple[Test, bool]]


def _ordered(kind: str, read: Callable[[str], float]) -> _Operators:
    return {
        f"{kind}Equals": (_compared(read, operator.eq), False),
        f"{kind}NotEquals": (_compared(read, operator.eq), True),
        f"{kind}LessThan": (_compared(read, operator.lt), False),
        f"{kind}LessThanEquals": (_compared(read, operator.le), False),
        f"{kind}GreaterThan": (_compared(read, operator.gt), False),
        f"{kind}GreaterThanEquals": (_compared(read, operator.ge), False),
    }


# Operator -> its test, and whether it is negated
OPERATORS: Final[Mapping[str, tuple[Test, bool]]] = {
    "StringEquals": (_text(wildcards=False), False),
    "StringNotEquals": (_text(wildcards=False), True),
    "StringEqualsIgnoreCase": (_text(wildcards=False, ignore_case=True), False),
    "StringNotEqualsIgnoreCase": (_text(wildcards=False, ignore_case=True), True),
    "StringLike": (_text(wildcards=True), False),
    "StringNotLike": (_text(wildcards=True), True),
    **_ordered("Numeric", _number),
    **_ordered("Date", _date),
    "Bool": (_compared(_bool, operator.eq), False),
    "BinaryEquals": (_compared(_bytes, operator.eq), False),
    "IpAddress": (_inside, False),
    "NotIpAddress": (_inside, True),
    "ArnEquals": (_arn, False),
    "ArnLike": (_arn, False),
    "ArnNotEquals": (_arn, True),
    "ArnNotLike": (_arn, True),
}
