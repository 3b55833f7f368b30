"""Parser for the output of `kamcmd`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise

_SET = re.compile(r"^\s*ID:\s*(\d+)")
_URI = re.compile(r"^\s*URI:\s*(\S+)")
_FLAGS = re.compile(r"^\s*FLAGS:\s*(\S+)")
_HOST = re.compile(r"sips?:(?:[^@;>]*@)?([0-9.]+)")
_DIALOG = re.compile(r"^\{", re.MULTILINE)


@dataclass(frozen=True)
class Destination:
    """One line of a dispatcher list, with Kamailio's `flags`: `AP` is active and probed."""

    set_id: int
    uri: str
    flags: str

    @property
    def host(self) -> str:
        return host_of(self.uri)

    @property
    def active(self) -> bool:
        return self.flags.startswith("A")


def host_of(uri: str) -> str:
    """IPv4 address in a SIP URI; empty when it has none."""
    found = _HOST.search(uri)
    return found.group(1) if found else ""


def destinations(text: str) -> list[Destination]:
    """The destinations in the output of `kamcmd dispatcher.list`."""
    found: list[Destination] = []
    set_id, uri = 0, ""
    for line in text.splitlines():
        if match := _SET.match(line):
            set_id = int(match.group(1))
        elif match := _URI.match(line):
            uri = match.group(1)
        elif (match := _FLAGS.match(line)) and uri:
            found.append(Destination(set_id, uri, match.group(1)))
            uri = ""
    return found


def statistic(text: str, name: str) -> int:
    """Value of `group:name` in the output of `kamcmd stats.get_statistics`. Raises `KeyError`."""
    match = re.search(rf"^\s*{re.escape(name)}\s*=\s*(\d+)", text, re.MULTILINE)
    if match is None:
        raise KeyError(name)
    return int(match.group(1))


def dialog(text: str, call_id: str) -> str:
    """The block of one dialog in the output of `kamcmd dlg.list`; empty when there is none."""
    starts = [match.start() for match in _DIALOG.finditer(text)] + [len(text)]
    for begin, end in pairwise(starts):
        if call_id in text[begin:end]:
            return text[begin:end]
    return ""


def variable(dialog_text: str, name: str) -> str:
    """Value of a dialog variable in the block of a dialog; empty when it is not set."""
    match = re.search(rf"^\s*{re.escape(name)}:\s*(\S+)", dialog_text, re.MULTILINE)
    return match.group(1) if match else ""
