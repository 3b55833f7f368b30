"""Is every wait longer than the one that it waits for, and every entry kept to the end?"""

from __future__ import annotations

import pytest

from common.kamailio import RINGING_LIMIT_S
from common.topology import Tier
from rendering.timers import Timers
from settings import sip

SHORTEST = sip.Sip(
    timers=sip.Timers(
        router_timeout_ms=200, ringing_timeout_s=10, callee_timeout_ms=500, max_call_s=60,
        lookup_timeout_ms=100, rtpengine_timeout_ms=100,
    )
)  # fmt: skip
LONGEST = sip.Sip(
    timers=sip.Timers(
        router_timeout_ms=5000, ringing_timeout_s=RINGING_LIMIT_S, callee_timeout_ms=32_000,
        max_call_s=604_800, lookup_timeout_ms=10_000, rtpengine_timeout_ms=4900,
    ),
    edge=sip.Edge(trusted_s=2_592_000),
)  # fmt: skip


@pytest.fixture(params=[sip.Sip(), SHORTEST, LONGEST], ids=["default", "shortest", "longest"])
def settings(request: pytest.FixtureRequest) -> sip.Sip:
    assert isinstance(request.param, sip.Sip)
    return request.param


def test_each_hop_waits_longer_than_the_next(settings: sip.Sip) -> None:
    sbc, router = Timers(settings, Tier.SBC), Timers(settings, Tier.ROUTER)
    assert sbc.callee_ms < router.router_callee_ms < sbc.in_dialog_ms


def test_router_gives_an_rtpengine_up_before_its_sbc_gives_it_up(settings: sip.Sip) -> None:
    timers = Timers(settings, Tier.ROUTER)
    assert timers.rtpengine_try_ms > 0
    assert timers.rtpengine_try_ms * 5 < timers.router_ms <= timers.last_router_ms


def test_nothing_of_a_lookup_outlives_it(settings: sip.Sip) -> None:
    timers = Timers(settings, Tier.SBC)
    assert settings.timers.lookup_timeout_ms * 3 < timers.lookup_limit_ms
    assert timers.lookup_limit_ms < timers.lookup_end_s * 1000 < timers.takeover_s * 1000


def test_what_is_kept_of_a_call_outlives_it(settings: sip.Sip) -> None:
    sbc, router = Timers(settings, Tier.SBC), Timers(settings, Tier.ROUTER)
    assert router.dialog_s == router.max_call_s == settings.timers.max_call_s
    assert sbc.dialog_s > router.dialog_s, "it takes the routers' BYEs to both sides"
    assert sbc.dialog_s < sbc.call_end_s
    assert router.dialog_s < router.answered_s
    assert settings.edge.trusted_s > router.max_call_s
    assert router.ringing_ms < router.ringing_end_ms == router.ringing_end_s * 1000
