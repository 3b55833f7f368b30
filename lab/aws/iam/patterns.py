"""Texts of policies that may contain wildcards and policy variables."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from typing import Final

# Values of condition keys, by their names in lower case: one text, or a tuple where the key has
# several values.
Context = Mapping[str, str | tuple[str, ...]]

_VARIABLE: Final = re.compile(r"\$\{([^}]*)\}")
_FIELD: Final = re.compile(r":(?![^{}]*\})")  # a colon that is not inside of a variable
_LITERAL: Final = ("*", "?", "$")  # ${*} is an asterisk
ARN_FIELDS: Final = 6


def pattern(
    text: str,
    context: Context,
    *,
    variables: bool,
    wildcards: bool = True,
    ignore_case: bool = False,
) -> re.Pattern[str] | None:
    """A pattern for `fullmatch`; None when a variable has no value, so that nothing matches.

    What a variable stands for is text: an asterisk in it is no wildcard.
    """
    if not variables or "${" not in text:
        return _plain(text, wildcards, ignore_case)
    parts: list[str] = []
    end = 0
    for found in _VARIABLE.finditer(text):
        value = _value(found[1], context)
        if value is None:
            return None
        between = text[end : found.start()]
        parts += [_wild(between) if wildcards else re.escape(between), re.escape(value)]
        end = found.end()
    rest = text[end:]
    return _compiled("".join([*parts, _wild(rest) if wildcards else re.escape(rest)]), ignore_case)


def matches(
    text: str,
    value: str,
    context: Context,
    *,
    variables: bool,
    wildcards: bool = True,
    ignore_case: bool = False,
) -> bool | None:
    """Whether the whole of `value` is what `text` describes; None if a variable has no value."""
    found = pattern(
        text, context, variables=variables, wildcards=wildcards, ignore_case=ignore_case
    )
    return found if found is None else found.fullmatch(value) is not None


def arn_matches(text: str, arn: str, context: Context, *, variables: bool) -> bool | None:
    """Compare two ARNs field by field: a wildcard in one of the first five does not cross a colon.

    Both need all six fields. None when they differ only in a variable that has no value.
    """
    if not variables or "${" not in text:
        whole = _plain_arn(text)
        return whole is not None and whole.fullmatch(arn) is not None
    wanted = _FIELD.split(text, ARN_FIELDS - 1)
    found = arn.split(":", ARN_FIELDS - 1)
    if len(wanted) != ARN_FIELDS or len(found) != ARN_FIELDS:
        return False
    for part, value in zip(wanted, found, strict=True):
        expected = pattern(part, context, variables=variables)
        if expected is None:
            return None
        if not expected.fullmatch(value):
            return False
    return True


def _value(variable: str, context: Context) -> str | None:
    """The value of `key` or of `key, 'default'`; None if it has none, or more than one."""
    if variable in _LITERAL:
        return variable
    key, comma, default = variable.partition(",")
    value = context.get(key.strip().lower())
    if isinstance(value, str):
        return value
    return default.strip().removeprefix("'").removesuffix("'") if comma and value is None else None


def _wild(text: str, character: str = ".") -> str:
    """A regular expression for a text whose wildcards stand for that class of characters."""
    return "".join({"*": f"{character}*", "?": character}.get(c, re.escape(c)) for c in text)


@functools.lru_cache(maxsize=4096)
def _plain(text: str, wildcards: bool, ignore_case: bool) -> re.Pattern[str]:
    """The pattern of a text without variables; policies are the same for thousands of calls."""
    return _compiled(_wild(text) if wildcards else re.escape(text), ignore_case)


@functools.lru_cache(maxsize=4096)
def _plain_arn(text: str) -> re.Pattern[str] | None:
    fields = text.split(":", ARN_FIELDS - 1)
    if len(fields) != ARN_FIELDS:
        return None
    *first, last = fields
    inside = [_wild(field, "[^:]") for field in first]
    return _compiled(":".join([*inside, _wild(last)]), False)


@functools.lru_cache(maxsize=4096)
def _compiled(expression: str, ignore_case: bool) -> re.Pattern[str]:
    return re.compile(expression, re.DOTALL | (re.IGNORECASE if ignore_case else 0))
