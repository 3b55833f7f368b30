"""Every htable of Kamailio: what it holds, for how long, and who owns it.

`kamailio/shared/tables.cfg.j2` declares them from here, `docs/kamailio/state.md` shows them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from common.kamailio import DRAINING_ROUTERS, PROVISIONED_SOURCES, ROUTER_CONFD_LIST
from common.topology import Tier
from rendering.timers import Timers

DAY_S: Final = 86_400


@dataclass(frozen=True)
class Lifetime:
    """How long an entry stays after its last change, for a reader and in seconds."""

    words: str
    seconds: Callable[[Timers], int]


def seconds(number: int) -> Lifetime:
    """A lifetime that no setting changes."""
    words = "a day" if number == DAY_S else f"{number} s"
    return Lifetime(words, lambda _: number)


RINGING: Final = Lifetime("as long as a call may ring, and a minute", lambda t: t.ringing_end_s)
CALL: Final = Lifetime("`sip.timers.max_call_s`", lambda t: t.max_call_s)
LOOKUP: Final = Lifetime("as long as a lookup may take, and 5 s", lambda t: t.lookup_end_s)


@dataclass(frozen=True)
class Table:
    """One htable of one tier.

    `size` is the power of two of its slots. An entry without `lifetime` stays until it is removed.
    With `counted_from_first` that time begins with the first entry, not with the last change, and
    with `zero` what is not there counts as 0. `file` is the db_text table, a list of the agent,
    that fills it.
    """

    name: str
    tier: Tier
    owner: str  # template below kamailio/ whose route blocks write it
    key: str
    value: str
    size: int
    lifetime: Lifetime | None
    replicated: bool = False  # each change goes to all nodes of the tier by DMQ
    of_call: bool = False  # an entry belongs to a call
    counted_from_first: bool = False
    zero: bool = False
    file: str | None = None
    call_load: bool = False  # only with `sip.dispatch: call-load`

    def parameters(self, times: Timers) -> str:
        """What follows `name=>` in Kamailio's declaration."""
        parts = [f"size={self.size}"]
        if self.lifetime is not None:
            parts.append(f"autoexpire={self.lifetime.seconds(times)}")
        if self.counted_from_first:
            parts.append("updateexpire=0")
        if self.zero:
            parts.append("initval=0")
        if self.file is not None:
            parts.append(f"dbtable={self.file}")
        if self.replicated:
            parts.append("dmqreplicate=1")
        return "".join(f"{part};" for part in parts)


@dataclass(frozen=True)
class Declaration:
    """A table as the templates declare it."""

    name: str
    parameters: str


_SBC: Final = (
    Table(
        "ban", Tier.SBC, "sbc/bans", "address of a source", "why it is banned",
        10, Lifetime("`sip.edge.ban_s`", lambda t: t.sip.edge.ban_s), replicated=True,
    ),
    Table(
        "untrusted_requests", Tier.SBC, "sbc/bans", "address of an untrusted source",
        "messages in its window", 12,
        Lifetime("`sip.edge.flood_window_s`", lambda t: t.sip.edge.flood_window_s),
        counted_from_first=True, zero=True,
    ),
    Table(
        "untrusted_calls", Tier.SBC, "sbc/bans", "address of an untrusted source",
        "new calls in its window", 12, seconds(10), counted_from_first=True, zero=True,
    ),
    Table(
        "login_failures", Tier.SBC, "sbc/bans", "address of a source",
        "refused logins in its window", 10, seconds(60), counted_from_first=True, zero=True,
    ),
    Table(
        "account_failures", Tier.SBC, "sbc/bans", "`user@realm`",
        "refused logins in its window, from all sources", 10, seconds(60),
        replicated=True, counted_from_first=True, zero=True,
    ),
    Table(
        "trusted_sources", Tier.SBC, "sbc/bans", "address of a source",
        "time when the peers were told of it", 12,
        Lifetime("`sip.edge.trusted_s`", lambda t: t.sip.edge.trusted_s), replicated=True,
    ),
    Table(
        "calls_of_source", Tier.SBC, "sbc/admission",
        "`address;second`, or `address;tN` with N the tick", "new calls of the source",
        10, seconds(3), counted_from_first=True, zero=True,
    ),
    Table(
        "calls_of_second", Tier.SBC, "sbc/admission", "second", "new calls of that second",
        4, seconds(3), counted_from_first=True, zero=True,
    ),
    Table(
        "admission", Tier.SBC, "sbc/admission", "`level`, `accepted` or `recent`",
        "calls above the admission rate, of this tick, of the last seconds", 2, None, zero=True,
    ),
    Table(
        "missing_replies", Tier.SBC, "sbc/admission", "URI of a router",
        "INVITEs without a first reply", 6, seconds(3600), zero=True,
    ),
    Table(
        "calls_of_tick", Tier.SBC, "sbc/admission", "URI of a router",
        "calls that it got in this tick", 6, seconds(3600), zero=True,
    ),
    Table(
        "router_rate", Tier.SBC, "sbc/admission", "URI of a router",
        "calls per second that it got lately", 6, seconds(3600), zero=True,
    ),
    Table(
        "provisioned_sources", Tier.SBC, "sbc/challenge", "an address, or `until`",
        "1, or the time until which the list is good", 12, None, file=PROVISIONED_SOURCES,
    ),
    Table(
        "challenge_secret", Tier.SBC, "sbc/challenge", "`secret`",
        "what this SBC signs the nonces of its challenges with", 2, None,
    ),
    Table(
        "challenging_router", Tier.SBC, "sbc/new-call", "Call-ID",
        "URI of the router that sent a challenge: only this one knows its nonce",
        8, seconds(60), replicated=True, of_call=True,
    ),
    Table(
        "router_failed_at", Tier.SBC, "sbc/failover", "URI of a router",
        "time when it did not answer; removed by its next reply. Covers the time until the "
        "dispatcher's probes have noticed", 4, seconds(3), replicated=True,
    ),
    Table(
        "draining_routers", Tier.SBC, "sbc/failover", "address of a router that drains", "1",
        4, None, file=DRAINING_ROUTERS,
    ),
    Table(
        "call_owner", Tier.SBC, "sbc/failover", "`CSeq;Call-ID`",
        "URI of the router that got the call after another one, or `nobody` when the caller was "
        "refused", 8, seconds(60), of_call=True,
    ),
    Table(
        "pending_lookups", Tier.SBC, "sbc/failover-pending", "`CSeq;Call-ID`",
        "`router|takeover router|reply`: the router that looks the call up, and the refusal "
        "that makes our transaction turn to the other one", 8, LOOKUP, of_call=True,
    ),
    Table(
        "pending_refusals", Tier.SBC, "sbc/failover-pending", "Call-ID",
        "`due|router|target|reply`: a refusal that the router has not acknowledged yet",
        6, seconds(10), of_call=True,
    ),
    Table(
        "pending_invites", Tier.SBC, "sbc/from-router", "Call-ID",
        "`node|digest of the From tag|Vias`: the SBC that has the transaction of a call without "
        "an answer, and what it hides from the callee", 12, RINGING,
        replicated=True, of_call=True,
    ),
    Table(
        "confirmed_byes", Tier.SBC, "sbc/replies", "`Call-ID;From tag;To tag;CSeq`",
        "1: the far end has confirmed this BYE", 8, seconds(10), of_call=True,
    ),
    Table(
        "cseq_offset", Tier.SBC, "sbc/cseq-offset", "dialog id",
        "by how much CSeq is higher towards the callee", 8,
        Lifetime(
            "`sip.timers.max_call_s`, and as long as a call may ring; shorter from the BYE on",
            lambda t: t.call_end_s,
        ),
        replicated=True, of_call=True, zero=True,
    ),
    Table(
        "router_of_call", Tier.SBC, "sbc/router-load", "Call-ID", "URI of its router",
        12, CALL, replicated=True, of_call=True, call_load=True,
    ),
    Table(
        "router_load", Tier.SBC, "sbc/router-load", "URI of a router",
        "calls of the tier that it has", 6, None, zero=True, call_load=True,
    ),
    Table(
        "loaded_routers", Tier.SBC, "sbc/router-load", "URI of a router that got a call", "1",
        6, seconds(DAY_S), replicated=True, call_load=True,
    ),
)  # fmt: skip
_ROUTER: Final = (
    Table(
        "router_confd", Tier.ROUTER, "router/lookup", "`n`, or a number from 0",
        "how many router-confd there are, or the URL of one", 4, None, file=ROUTER_CONFD_LIST,
    ),
    Table(
        "open_lookups", Tier.ROUTER, "router/lookup", "second",
        "lookups that began in it and are not answered", 4, seconds(10),
        counted_from_first=True, zero=True,
    ),
    Table(
        "failed_confd", Tier.ROUTER, "router/lookup", "URL of a router-confd",
        "1: it failed lately", 4, seconds(30),
    ),
    Table(
        "retried_calls", Tier.ROUTER, "router/late-router", "Call-ID",
        "1: another router was asked before; DMQ messages about this Call-ID are dropped",
        6, LOOKUP, of_call=True,
    ),
    Table(
        "call_owner", Tier.ROUTER, "router/late-router", "id that the SBC gave the INVITE",
        "`NODE_ID` of the router that took the call after another one", 6,
        Lifetime(
            "twice as long as a lookup may take, and `sip.timers.callee_timeout_ms`",
            lambda t: t.takeover_s,
        ),
        replicated=True, of_call=True,
    ),
    Table(
        "limited_calls", Tier.ROUTER, "router/call-limits",
        "`digest of the call;role`: role is tenant, source or destination",
        "key of the limit that the call counts for", 8,
        Lifetime(f"{RINGING.words}; from the answer on `sip.timers.max_call_s` and a minute",
                 RINGING.seconds),
        replicated=True, of_call=True,
    ),
    Table(
        "limited_call_starts", Tier.ROUTER, "router/call-limits", "as `limited_calls`",
        "`key;second` that the call's start counts for", 8, seconds(2),
        replicated=True, of_call=True,
    ),
    Table(
        "limit_headroom", Tier.ROUTER, "router/call-limits", "`key;most calls;second`",
        "calls that this router may let in before it counts all again", 6, seconds(2), zero=True,
    ),
    Table(
        "trunk_credentials", Tier.ROUTER, "router/trunk-login", "dialog id",
        "the route, with its credentials, of a call that has logged in at a carrier", 8,
        Lifetime(f"{RINGING.words}; from the answer on `sip.timers.max_call_s` and a minute",
                 RINGING.seconds),
        replicated=True, of_call=True,
    ),
    Table(
        "answered_elsewhere", Tier.ROUTER, "router/replies", "dialog id",
        "1: the answer did not pass the router that sent the INVITE, which may never hear of it",
        6, RINGING, replicated=True, of_call=True,
    ),
    Table(
        "unconfirmed_records", Tier.ROUTER, "router/cdr", "idempotency key of a record",
        "`time|record`", 10, seconds(DAY_S), of_call=True,
    ),
    Table(
        "replicated_records", Tier.ROUTER, "router/cdr", "idempotency key of a record",
        "`time|record`: what another router delivers when its own one has died", 8,
        seconds(DAY_S), replicated=True, of_call=True,
    ),
    Table(
        "rejected_records", Tier.ROUTER, "router/cdr", "idempotency key of a record",
        "times that router-confd has refused it", 6, seconds(3600), of_call=True, zero=True,
    ),
)  # fmt: skip
TABLES: Final = (*_SBC, *_ROUTER)


def of_tier(tier: Tier, *, call_load: bool) -> tuple[Table, ...]:
    """Tables that a tier has, with or without `sip.dispatch: call-load`."""
    return tuple(t for t in TABLES if t.tier is tier and (call_load or not t.call_load))


def declared(tier: Tier, times: Timers, *, call_load: bool) -> tuple[Declaration, ...]:
    """What the templates declare for a tier."""
    tables = of_tier(tier, call_load=call_load)
    return tuple(Declaration(t.name, t.parameters(times)) for t in tables)
