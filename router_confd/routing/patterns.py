"""Regular expressions that users write: RE2, which takes linear time; anchored at both ends."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

import re2  # type: ignore[import-untyped]

_NUMBER = re.compile(r"\^*\+?([0-9]+)\$?")
_LEADING_DIGITS = re.compile(r"\^*([0-9]*)(.?)", re.DOTALL)
_LEADING_ALNUM = re.compile(r"\^*([0-9A-Za-z]*)(.?)", re.DOTALL)
_REFERENCE = re.compile(r"\\(?:g<([^>]*)>|([0-9]+))")
_MEMORY = 1 << 18  # bytes per compiled expression; one that needs more is refused


class BadPattern(ValueError):
    """The text is not a regular expression that this service accepts."""


def check(pattern: str) -> None:
    """Raises BadPattern when RE2 does not accept the expression."""
    compiled(pattern)


def check_replacement(pattern: str, replacement: str) -> None:
    r"""Raises BadPattern when `replacement` refers to a group (`\1`) that `pattern` lacks."""
    expression = compiled(pattern)
    for name, number in _REFERENCE.findall(replacement):
        group = number or name
        known = (
            int(group) <= expression.groups if group.isdigit() else group in expression.groupindex
        )
        if not known:
            raise BadPattern(f"the replacement refers to group {group}, which {pattern!r} lacks")


@lru_cache(maxsize=4096)
def compiled(pattern: str) -> Any:
    """The compiled expression. Raises BadPattern."""
    options = re2.Options()
    options.max_mem = _MEMORY
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        reason = error.args[0] if error.args else ""
        text = reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
        raise BadPattern(f"not a valid RE2 regular expression: {text}") from None


def matches(pattern: str, text: str) -> bool:
    """True when the expression matches the whole text."""
    return compiled(pattern).fullmatch(text) is not None


def substitute(pattern: str, replacement: str, text: str) -> str:
    """`text` with every match replaced; the replacement may use groups."""
    result: str = compiled(pattern).sub(replacement, text)
    return result


def number_of(pattern: str) -> str | None:
    """The digits, when the expression is just a full number such as `^39040123456$`."""
    match = _NUMBER.fullmatch(pattern)
    return match[1] if match else None


def digit_prefix(pattern: str) -> str:
    """The digits that every match starts with; "" when there are none, or it is not certain."""
    return _prefix(_LEADING_DIGITS, pattern)


def alnum_prefix(pattern: str) -> str:
    """As `digit_prefix`, with letters and digits."""
    return _prefix(_LEADING_ALNUM, pattern)


def _prefix(leading: re.Pattern[str], pattern: str) -> str:
    if "|" in pattern:
        return ""
    match = leading.match(pattern)
    assert match is not None  # both expressions match the empty string
    prefix, following = match[1], match[2]
    # A quantifier that allows zero times makes the character before it optional.
    return prefix[:-1] if following and following in "?*{" else prefix
