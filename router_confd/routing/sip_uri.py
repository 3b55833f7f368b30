"""The parts of SIP URIs that routing needs."""

from __future__ import annotations

import re
from typing import NamedTuple

_URI = re.compile(
    r"""(?:<\s*)?
    (?P<scheme>[A-Za-z][A-Za-z0-9+.-]*:)?
    (?P<user>[^@<>]*)@
    (?P<host>\[[0-9A-Fa-f:.]+\]|[^@:;?<>\s]+)
    (?P<port>:[0-9]{1,5})?
    (?:[;?>].*)?""",
    re.VERBOSE | re.DOTALL,
)
# Nearly every URI looks like this, and it is quicker to match.
_PLAIN = re.compile(r"(sips?:)([^@<>:;\x00-\x1f\x7f]*)@([A-Za-z0-9.-]+)(:[0-9]{1,5})?")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class Uri(NamedTuple):
    """The parts of a URI. All are empty if the text has no user or no host."""

    scheme: str  # with the colon
    user: str
    domain: str
    port: str  # with the colon


NOTHING = Uri("", "", "", "")


def parse(text: str) -> Uri:
    """Split a URI: `sip:3904@dom:5060` -> `sip:`, `3904`, `dom`, `:5060`."""
    if plain := _PLAIN.fullmatch(text):
        return Uri(*plain.groups(""))
    match = _URI.fullmatch(printable(text))
    if match is None:
        return NOTHING
    user = match["user"].partition(";")[0].partition(":")[0]  # parameters, password
    return Uri(match["scheme"] or "", user, match["host"], match["port"] or "")


def printable(text: str) -> str:
    """The text without control characters, with which it could inject a header."""
    return text if text.isprintable() else _CONTROL.sub("", text)


def host(text: str) -> str:
    """The host as a URI has it: an IPv6 address is in brackets."""
    return f"[{text}]" if ":" in text and not text.startswith("[") else text
