"""Variables of Kamailio that outlive a route block: AVPs, dialog variables, shared variables.

An AVP belongs to a transaction (or to a message without one), a dialog variable to the dialog,
which DMQ replicates, a shared variable to the processes of one node. `docs/kamailio/state.md`
shows them; `kamailio/shared/tables.cfg.j2` declares the shared ones.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from common.topology import Tier
from settings.sip import Sip


@dataclass(frozen=True)
class Variable:
    """An AVP or a dialog variable of one tier."""

    name: str
    tier: Tier
    meaning: str
    set_by: str  # route blocks or a module, by comma


@dataclass(frozen=True)
class SharedVariable:
    """A number that the processes of a node share, `$shv(name)`; of both tiers without `tier`."""

    name: str
    meaning: str
    tier: Tier | None = None
    start: Callable[[Sip], int] = lambda _: 0


@dataclass(frozen=True)
class SharedDeclaration:
    """A shared variable as the templates declare it."""

    name: str
    initial: int


def _of(tier: Tier, *rows: tuple[str, str, str]) -> tuple[Variable, ...]:
    return tuple(Variable(name, tier, meaning, set_by) for name, meaning, set_by in rows)


AVPS: Final = (
    *_of(
        Tier.SBC,
        ("account", "`user@realm` of the credentials in a new call", "CHECK_ACCOUNT"),
        (
            "answer_seen",
            "an answer to this request within the dialog has passed",
            "CALLEE_REPLY_IN_DIALOG",
        ),
        (
            "asked_router",
            "URI of the router whose first reply is awaited",
            "COUNT_ROUTER_REQUEST, COUNT_ROUTER_REPLY",
        ),
        ("caller_cseq", "the caller's own number, when CSeq was raised", "ADD_CSEQ_OFFSET"),
        ("caller_transport", "transport of the sender of the request", "FROM_OUTSIDE"),
        ("connection_id", "TCP or TLS connection of the sender", "EDGE_CHECKS"),
        ("has_credentials", "the new call has credentials for the router", "NEW_CALL"),
        (
            "hidden_vias",
            "Vias of the inside, hidden from the far end and put back in replies",
            "FROM_ROUTER",
        ),
        (
            "next_router",
            "router to try next, in place of the dispatcher's next choice",
            "NEW_CALL, LEAST_LOADED_ROUTER",
        ),
        (
            "other_router",
            "second router for this request within the dialog",
            "SELECT_DIALOG_ROUTER",
        ),
        ("retry_after", "Retry-After of a router's refusal for a limit of calls", "ROUTER_REPLY"),
        (
            "router_lost",
            "the reply to this request is our own: its router died",
            "ROUTER_REPLY_IN_DIALOG",
        ),
        ("second_router", "second choice for this new call", "NEW_CALL, LEAST_LOADED_ROUTER"),
        ("source_ip", "address of the caller", "NEW_CALL"),
        (
            "takeover_router",
            "router that gets what the first one has begun, should it die",
            "NEW_CALL, IN_DIALOG",
        ),
        ("trusted_ip", "address that TRUST_SOURCE shall trust", "LEARN_CALLER, CALLEE_REPLY"),
    ),
    *_of(
        Tier.ROUTER,
        (
            "call_hash",
            "digest of the call's key, part of the keys of its limits",
            "CHECK_SOURCE_LIMITS",
        ),
        ("call_taken", "the SBC said that another router has the call", "SBC_REPLY"),
        ("confd_url", "router-confd of the open lookup", "LOOKUP"),
        ("destination", "where the SBC shall send the call of this route", "TRY_NEXT_ROUTE"),
        ("dialog_id", "the dialog as it was when the call began", "NEW_CALL"),
        ("login_tried", "number of the route whose login was tried", "RETRY_WITH_CREDENTIALS"),
        ("lookup_attempt", "lookups of this call so far", "LOOKUP"),
        ("lookup_second", "second in which the open lookup began", "LOOKUP"),
        (
            "new_rtpengine",
            "the offer went to an rtpengine of set 0, which remembers it",
            "MEDIA_OFFER",
        ),
        ("next_confd", "number of the router-confd to ask next", "NEW_CALL, LOOKUP"),
        (
            "offer_sent",
            "the request had an offer, so the reply has the answer",
            "PREPARE_ROUTE, IN_DIALOG",
        ),
        ("original_from", "From of a request before it was rewritten", "REWRITE_FROM_TO"),
        ("original_to", "To of a request before it was rewritten", "REWRITE_FROM_TO"),
        ("password", "HA1 of the trunk's login, for uac", "ADD_CREDENTIALS"),
        ("realm", "realm of the trunk's login, for uac", "ADD_CREDENTIALS"),
        (
            "route_limited",
            "a route was passed over because its limit was reached",
            "TRY_NEXT_ROUTE",
        ),
        ("route_login", "the present route has logged in at its carrier", "RETRY_WITH_CREDENTIALS"),
        ("rtpengine_url", "rtpengine that took the last offer", "module rtpengine"),
        ("sbc_uri", "SBC that the call came from", "NEW_CALL"),
        ("source", "`X-C4-Source`: who calls, as the SBC saw it", "NEW_CALL"),
        ("source_limit_key", "key of the caller's limit", "CHECK_SOURCE_LIMITS"),
        (
            "trunk_route",
            "route with the credentials for a challenge within the dialog",
            "IN_DIALOG",
        ),
        ("user", "name of the trunk's login, for uac", "ADD_CREDENTIALS"),
        (
            "wrong_password",
            "the caller's password was wrong, with a fresh nonce of ours",
            "LOOKUP_DONE",
        ),
    ),
)
DIALOG_VARIABLES: Final = (
    *_of(
        Tier.SBC,
        (
            "answer_seen_once",
            "the answer passed this SBC, and only once: its ACK needs no copy",
            "TRACK_ANSWER",
        ),
        (
            "answered",
            "the call was answered while this SBC took it over; read by the agent",
            "TAKE_OVER_REPLY",
        ),
        ("callee_address", "where a callee behind NAT answered from", "CALLEE_REPLY"),
        (
            "callee_contact",
            "the callee's Contact before the answer",
            "ROUTER_REPLY, TAKE_OVER_REPLY",
        ),
        ("callee_transport", "transport towards the callee", "FROM_ROUTER"),
        (
            "caller_address",
            "connection of the caller, or its address behind NAT",
            "LEARN_CALLER_ADDRESS",
        ),
        ("caller_nat", "the caller's Contact is private", "LEARN_CALLER_ADDRESS"),
        ("caller_transport", "transport towards the caller", "NEW_CALL"),
        (
            "ended",
            "a BYE has passed; set only together with `answered`; read by the agent",
            "IN_DIALOG",
        ),
        ("highest_cseq", "highest CSeq sent to the callee", "ADD_CSEQ_OFFSET"),
        (
            "invite_cseq_offset",
            "`cseq_offset` at the last INVITE, for ACK and RAck",
            "ADD_CSEQ_OFFSET",
        ),
        ("router", "URI of the call's router", "NEW_CALL, FAILOVER_NEW_CALL, FAILOVER_IN_DIALOG"),
        (
            "second_router",
            "URI of the router to turn to when that one fails",
            "NEW_CALL, FAILOVER_NEW_CALL, FAILOVER_IN_DIALOG",
        ),
    ),
    *_of(
        Tier.ROUTER,
        ("_uac_fdp", "caller's display name before the route's", "module uac"),
        ("_uac_fdpnew", "caller's display name of the route", "module uac"),
        ("_uac_fu", "caller's URI before the route's", "module uac"),
        ("_uac_funew", "caller's URI of the route", "module uac"),
        ("_uac_tdp", "callee's display name before the route's", "module uac"),
        ("_uac_tdpnew", "callee's display name of the route", "module uac"),
        ("_uac_to", "callee's URI before the route's", "module uac"),
        ("_uac_tonew", "callee's URI of the route", "module uac"),
        ("answered", "time of an answer that did not pass the call's own router", "reply_route"),
        ("cdr", "the call record as far as it is known", "BEGIN_CDR, TRY_NEXT_ROUTE"),
        (
            "ended",
            "a BYE has passed; set only together with `answered`; read by the agent",
            "IN_DIALOG",
        ),
        (
            "from_to_changed_by",
            "node, and its start, where uac rewrites From and To",
            "RECORD_FROM_TO_CHANGE",
        ),
        ("limited_call", "digest under which the call counts for limits", "COUNT_LIMITED_CALL"),
        ("rtpengine_set", "set of the one rtpengine that has the call's media", "MEDIA_OFFER"),
        ("sbc_uri", "SBC that spoke last within the dialog", "NEW_CALL, IN_DIALOG"),
        ("tenant", "tenant of the call; the lock of its limits", "LOOKUP_DONE"),
    ),
)
SHARED_VARIABLES: Final = (
    SharedVariable("queue_delay", "milliseconds that messages wait in the queues of this node"),
    SharedVariable("last_probe", "clock of the last probe that came back"),
    SharedVariable("longest_queue_delay", "the longest of the last ten seconds, for the metric"),
    SharedVariable(
        "admission_rate",
        "new calls per second that this SBC takes",
        Tier.SBC,
        lambda sip: sip.overload.new_calls_per_s,
    ),
    SharedVariable("accepted_rate", "calls per second that it took lately", Tier.SBC),
    SharedVariable("peak_rate", "the highest of that in some seconds", Tier.SBC),
    SharedVariable(
        "hold_ticks", "ticks until the last cut of the rate has shown its effect", Tier.SBC
    ),
    SharedVariable("reply_delay", "delay of first replies in the last tick", Tier.SBC),
    SharedVariable(
        "call_delay", "what calls wait: for queues, or for the fastest router", Tier.SBC
    ),
    SharedVariable("rate_remainder", "tenths of a call that the last tick left over", Tier.SBC),
    SharedVariable("tick", "number of the tick", Tier.SBC),
    SharedVariable(
        "replicated_count", "records in `replicated_records`, as of the last round", Tier.ROUTER
    ),
    SharedVariable(
        "retried_until", "time until which `retried_calls` is worth a look", Tier.ROUTER
    ),
)


def declared(tier: Tier, sip: Sip) -> tuple[SharedDeclaration, ...]:
    """What the templates declare for a tier."""
    return tuple(
        SharedDeclaration(v.name, v.start(sip)) for v in SHARED_VARIABLES if v.tier in (None, tier)
    )
