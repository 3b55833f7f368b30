"""The lists that Kamailio follows: what a good one looks like, and how it is handed over."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from agent.kamailio import dmq
from common import kamailio

Rpc = Callable[..., str]


class ListRefused(Exception):
    """A rendered list that must not replace the last good one; the message says why."""


@dataclass(frozen=True)
class ListKind:
    """How one list is checked, and how Kamailio takes it: text and RPC to Kamailio's reply.

    Kamailio gets the list `after`, rendered of the same news, before this one. The lines of a
    list of `instances` come and go with these.
    """

    check: Callable[[str], None]
    hand_over: Callable[[str, Rpc], str]
    after: str | None = None
    instances: bool = True


def _by(*command: str) -> Callable[[str, Rpc], str]:
    """Kamailio reads the live file again on this RPC."""
    return lambda _, rpc: rpc(*command)


_DESTINATION = re.compile(
    r"(?P<set>\d+) sips?:[0-9A-Za-z.-]+:\d{1,5}(;[a-z]+=[a-z]+)* \d+ \d+( [0-9A-Za-z._=;-]+)?"
)
_RTPENGINE = re.compile(r"\d+:\d+:udp\\:[0-9.]+\\:\d{1,5}:\d+:[01]:\d+")
_PEER = re.compile(r"sip:[0-9.]+:\d{1,5}")
_HTABLE = re.compile(r"\d+:[^:]+:\d:\d:(?:[^:\\]|\\.)*:\d+")
# An SBC without any router for new calls is useless.
NEW_CALLS = str(kamailio.DISPATCHER_SET_NEW)


def entries(text: str) -> list[str]:
    """Lines that say something, stripped."""
    stripped = (line.strip() for line in text.splitlines())
    return [line for line in stripped if line and not line.startswith("#")]


def _check_each(lines: list[str], pattern: re.Pattern[str]) -> None:
    for line in lines:
        if not pattern.fullmatch(line):
            raise ListRefused(f"line {line!r} is malformed")


def check_dispatcher(text: str) -> None:
    """At least one destination for new calls, and no malformed line.

    Kamailio answers Ok to an empty file and drops every destination; it skips a malformed
    line and says Ok as well.
    """
    lines = entries(text)
    _check_each(lines, _DESTINATION)
    if not any(line.split()[0] == NEW_CALLS for line in lines):
        raise ListRefused(f"no destination in set {NEW_CALLS}")


def check_table(text: str, pattern: re.Pattern[str], least: int = 1) -> None:
    """A db_text table: the line of columns, then well-formed rows, `least` of them at least."""
    head, *rows = entries(text) or [""]
    if not head.startswith("id("):
        raise ListRefused(f"first line {head!r} does not name the columns")
    _check_each(rows, pattern)
    if len(rows) < least:
        raise ListRefused("no row")


def check_rtpengine(text: str) -> None:
    """At least one rtpengine: a reload of an empty table says Ok and drops all nodes."""
    check_table(text, _RTPENGINE)


def check_confd(text: str) -> None:
    """At least one router-confd beside the row that counts them."""
    check_table(text, _HTABLE)
    if len(entries(text)) < 3:
        raise ListRefused("no router-confd")


def check_optional(text: str) -> None:
    """May be empty: mostly nobody leaves, and without sources the SBCs do without the list."""
    check_table(text, _HTABLE, least=0)


def check_dmq(text: str) -> None:
    """At least one peer; the own address may be among them."""
    lines = entries(text)
    _check_each(lines, _PEER)
    if not lines:
        raise ListRefused("no peer")


LISTS: dict[str, ListKind] = {
    kamailio.DRAINING_ROUTERS: ListKind(check_optional, _by("htable.reload", "draining_routers")),
    # A router that is in neither list for a moment would be taken for dead.
    kamailio.DISPATCHER_LIST: ListKind(
        check_dispatcher, _by("dispatcher.reload"), after=kamailio.DRAINING_ROUTERS
    ),
    kamailio.RTPENGINE_LIST: ListKind(check_rtpengine, _by("rtpengine.reload")),
    kamailio.ROUTER_CONFD_LIST: ListKind(check_confd, _by("htable.reload", "router_confd")),
    kamailio.DMQ_PEERS: ListKind(check_dmq, lambda text, rpc: dmq.set_peers(entries(text), rpc)),
    kamailio.PROVISIONED_SOURCES: ListKind(
        check_optional, _by("htable.reload", "provisioned_sources"), instances=False
    ),
}
