"""The lists that Kamailio follows: how each is checked, and how it is handed over."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from agent.kamailio import dmq
from common import kamailio

Rpc = Callable[..., str]


class ListRefused(Exception):
    """The rendered list must not replace the last good one; the message says why."""


class ListDamaged(ListRefused):
    """The rendered file is not what consul-template wrote; rendering it again may help."""


@dataclass(frozen=True)
class ListKind:
    """How a list is checked and handed over.

    `hand_over` takes the text and the RPC, and returns Kamailio's reply. The list `applied_after`
    is rendered from the same change of the catalogue, and Kamailio gets it first. When
    `lists_instances`, each line stands for an instance, and is absent while that is unregistered.
    """

    check: Callable[[str], None]
    hand_over: Callable[[str, Rpc], str]
    applied_after: str | None = None
    lists_instances: bool = True


def _by(*command: str) -> Callable[[str, Rpc], str]:
    """Hand a list over by an RPC that makes Kamailio read the live file again."""
    return lambda _, rpc: rpc(*command)


_DESTINATION = re.compile(
    r"(?P<set>\d+) sips?:[0-9A-Za-z.-]+:\d{1,5}(;[a-z]+=[a-z]+)* \d+ \d+( [0-9A-Za-z._=;-]+)?"
)
_RTPENGINE = re.compile(r"\d+:\d+:udp\\:[0-9.]+\\:\d{1,5}:\d+:[01]:\d+")
_PEER = re.compile(r"sip:[0-9.]+:\d{1,5}")
_HTABLE = re.compile(r"\d+:[^:]+:\d:\d:(?:[^:\\]|\\.)*:\d+")
# An SBC without any router for new calls is useless.
NEW_CALLS = str(kamailio.DISPATCHER_SET_NEW)


def whole(rendered: bytes) -> str:
    """The text of a rendered list, without the line that ends it. Raises `ListDamaged`."""
    try:
        text = rendered.decode()
    except UnicodeDecodeError as error:
        raise ListDamaged(f"byte {error.start} is not UTF-8") from None
    body, end, rest = text.rpartition(f"\n{kamailio.LIST_END}\n")
    if not end or rest or kamailio.LIST_END in body or "\0" in body:
        raise ListDamaged(f"its only and last line {kamailio.LIST_END!r} is missing")
    return body + "\n"


def entries(text: str) -> list[str]:
    """The lines, stripped, without comments and empty lines."""
    stripped = (line.strip() for line in text.splitlines())
    return [line for line in stripped if line and not line.startswith("#")]


def _check_each(lines: list[str], pattern: re.Pattern[str]) -> None:
    for line in lines:
        if not pattern.fullmatch(line):
            raise ListRefused(f"line {line!r} is malformed")


def check_dispatcher(text: str) -> None:
    """Require a destination for new calls, and no malformed line.

    Kamailio answers Ok to an empty file and drops every destination. It also answers Ok when it
    skips a malformed line. Raises `ListRefused`.
    """
    lines = entries(text)
    _check_each(lines, _DESTINATION)
    if not any(line.split()[0] == NEW_CALLS for line in lines):
        raise ListRefused(f"no destination in set {NEW_CALLS}")


def check_table(text: str, columns: str, pattern: re.Pattern[str], least: int = 1) -> None:
    """Require a db_text table: the line `columns`, then at least `least` well-formed rows.

    Kamailio does not start with a table whose columns are not those that it expects.
    """
    head, *rows = entries(text) or [""]
    if head != columns:
        raise ListRefused(f"first line {head!r} is not {columns!r}")
    _check_each(rows, pattern)
    if len(rows) < least:
        raise ListRefused("no row")


def check_rtpengine(text: str) -> None:
    """Require an rtpengine: a reload of an empty table answers Ok and drops all nodes."""
    check_table(text, kamailio.RTPENGINE_HEAD, _RTPENGINE)


def check_confd(text: str) -> None:
    """Require a router-confd beside the row that counts them."""
    check_table(text, kamailio.HTABLE_HEAD, _HTABLE)
    if len(entries(text)) < 3:
        raise ListRefused("no router-confd")


def check_optional(text: str) -> None:
    """Accept an empty table: mostly no router drains, and SBCs can do without the sources."""
    check_table(text, kamailio.HTABLE_HEAD, _HTABLE, least=0)


def check_dmq(text: str) -> None:
    """Require a peer, which may be the node itself."""
    lines = entries(text)
    _check_each(lines, _PEER)
    if not lines:
        raise ListRefused("no peer")


LISTS: dict[str, ListKind] = {
    kamailio.DRAINING_ROUTERS: ListKind(check_optional, _by("htable.reload", "draining_routers")),
    # An SBC would consider a router dead that is in neither list for a moment.
    kamailio.DISPATCHER_LIST: ListKind(
        check_dispatcher, _by("dispatcher.reload"), applied_after=kamailio.DRAINING_ROUTERS
    ),
    kamailio.RTPENGINE_LIST: ListKind(check_rtpengine, _by("rtpengine.reload")),
    kamailio.ROUTER_CONFD_LIST: ListKind(check_confd, _by("htable.reload", "router_confd")),
    kamailio.DMQ_PEERS: ListKind(check_dmq, lambda text, rpc: dmq.set_peers(entries(text), rpc)),
    kamailio.PROVISIONED_SOURCES: ListKind(
        check_optional, _by("htable.reload", "provisioned_sources"), lists_instances=False
    ),
}
