"""Deadlines of Kamailio's timers and tables: all arithmetic on `sip.timers` is here.

Who waits for another one must wait longer than that one does, and what is kept of a call must
outlive it; each sum below says which of the two it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from common.kamailio import RINGING_MARGIN_S
from common.topology import Tier
from settings.sip import Sip

LOOKUP_TRIES: Final = 3  # router-confd instances that a router asks about one call
LOOKUP_MARGIN_MS: Final = 500
LOOKUP_REST_S: Final = 5  # from the last answer of router-confd to the end of what it started
JOIN_S: Final = 12  # two rounds of the agents of both sides, 5 s each
# With two, at 5 % of packets lost, one command in a hundred found its rtpengine "dead" for seconds.
RTPENGINE_TRIES: Final = 5
HANG_UP_S: Final = 30  # differences of the routers' clocks and delays of messages, generously
ANSWERED_MARGIN_S: Final = 60
LAST_ROUTER_TIMES: Final = 4  # there is no other router, and a late one is better than none
HOP_MS: Final = 1000  # by how much the timer of a hop is longer than that of the next hop


@dataclass(frozen=True)
class Timers:
    """Deadlines of one tier; in the templates `timers.ringing_end_s` and so on."""

    sip: Sip
    tier: Tier

    # --- setup ------------------------------------------------------------------------------
    @property
    def ringing_ms(self) -> int:
        """Limit of ringing, from the first provisional reply on."""
        return self.sip.timers.ringing_timeout_s * 1000

    @property
    def ringing_end_s(self) -> int:
        """Time after which nothing remains of a call that rang and was not answered."""
        return self.sip.timers.ringing_timeout_s + RINGING_MARGIN_S

    @property
    def ringing_end_ms(self) -> int:
        """The same in milliseconds."""
        return self.ringing_end_s * 1000

    @property
    def callee_ms(self) -> int:
        """How long an SBC waits for the callee's first reply."""
        return self.sip.timers.callee_timeout_ms

    @property
    def router_callee_ms(self) -> int:
        """How long a router waits for its SBC: longer than the SBC waits for the callee."""
        return self.callee_ms + HOP_MS

    @property
    def in_dialog_ms(self) -> int:
        """How long an SBC waits for a router that has answered 100: longer than the router does."""
        return self.router_callee_ms + HOP_MS

    # --- failover ---------------------------------------------------------------------------
    @property
    def router_ms(self) -> int:
        """How long an SBC waits for a router's first reply before it tries another one."""
        return self.sip.timers.router_timeout_ms

    @property
    def last_router_times(self) -> int:
        """The multiple of that time that the last remaining router gets."""
        return LAST_ROUTER_TIMES

    @property
    def last_router_ms(self) -> int:
        """How long an SBC waits for the last remaining router."""
        return self.router_ms * LAST_ROUTER_TIMES

    @property
    def rtpengine_try_ms(self) -> int:
        """Time between two attempts of a command to an rtpengine."""
        return self.sip.timers.rtpengine_timeout_ms // RTPENGINE_TRIES

    @property
    def join_s(self) -> int:
        """Time after a node's start by which its peers have sent it their calls."""
        return JOIN_S

    # --- lookups ----------------------------------------------------------------------------
    @property
    def lookup_limit_ms(self) -> int:
        """Time by which a router has the routes of a call, or refuses the call."""
        return LOOKUP_TRIES * self.sip.timers.lookup_timeout_ms + LOOKUP_MARGIN_MS

    @property
    def lookup_end_s(self) -> int:
        """Time after which nothing remains of a lookup."""
        return self.lookup_limit_ms // 1000 + LOOKUP_REST_S

    @property
    def takeover_s(self) -> int:
        """How long two routers may both try a call: each with its lookup, then one callee."""
        return 2 * self.lookup_end_s + self.callee_ms // 1000

    # --- established calls ------------------------------------------------------------------
    @property
    def max_call_s(self) -> int:
        """Limit of a call, from its answer on; then the routers end it."""
        return self.sip.timers.max_call_s

    @property
    def dialog_s(self) -> int:
        """Lifetime of a dialog. An SBC's is longer, because it relays the BYEs of routers."""
        return self.max_call_s + (HANG_UP_S if self.tier is Tier.SBC else 0)

    @property
    def answered_s(self) -> int:
        """How long a router keeps the limits and credentials of an answered call."""
        return self.max_call_s + ANSWERED_MARGIN_S

    @property
    def call_end_s(self) -> int:
        """Time after which nothing remains of an answered call, however long it rang."""
        return self.max_call_s + self.ringing_end_s
