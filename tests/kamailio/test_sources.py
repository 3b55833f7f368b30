"""Unknown addresses need credentials, and cost nothing before they show that somebody is there."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Iterator

import pytest

from testbed.sip.addresses import CALLEE, CALLEE2, CALLER, SBC1, SBC2
from testbed.sip.agent import Agent, Message
from testbed.sip.calls import established
from testbed.sip.metrics import refused
from testbed.sip.plane import Cluster
from testbed.sip.raw_messages import ask, raw
from testbed.sip.router_confd_stub import answer
from testbed.sip.sources import SOURCE_TABLES, publish, withdraw

pytestmark = pytest.mark.sip
UNTRUSTED = "198.51.100.66"
TABLES = (*SOURCE_TABLES, "challenging_router")


@pytest.fixture(autouse=True)
def _list(plane: Cluster) -> Iterator[None]:
    for sbc in plane.tier("sbc"):
        for table in TABLES:
            sbc.rpc("htable.flush", table)
    publish(plane, [CALLER])
    yield
    withdraw(plane)


@pytest.fixture
def untrusted(plane: Cluster) -> Agent:
    return plane.ua(UNTRUSTED)


def asked(plane: Cluster) -> int:
    return sum(len(stub.requests) for stub in plane.confds)


def nonce(challenge: Message | None) -> str:
    assert challenge is not None
    found = re.search(r'nonce="([^"]+)"', challenge.get("Proxy-Authenticate"))
    assert found
    return found[1]


def test_listed_address_calls(plane: Cluster, callee: Agent) -> None:
    caller = plane.ua(CALLER)
    for _ in range(plane.tenant.sip.edge.untrusted_calls_per_10s + 5):
        call, _ = established(caller, callee)
        assert call.bye().status == 200


def test_unlisted_address_without_credentials_gets_no_further(
    plane: Cluster, callee: Agent, untrusted: Agent
) -> None:
    sbc = plane.nodes["sbc1"]
    for _ in range(5):
        result = untrusted.call(SBC1).invite()
        assert result.status == 407
        assert nonce(result.message).startswith("c4-")
        assert result.message is not None
        assert "stale" not in result.message.get("Proxy-Authenticate")
    assert asked(plane) == 0
    assert not callee.received
    assert all(UNTRUSTED not in node.rpc("dlg.list") for node in (sbc, *plane.tier("rtr")))
    assert refused(plane, "unauthenticated") == 5


def pbx(plane: Cluster) -> None:
    """router-confd knows a PBX by its user name only."""
    ha1 = hashlib.md5(f"alice:{UNTRUSTED}:secret".encode(), usedforsecurity=False).hexdigest()
    for stub in plane.confds:
        stub.answer = answer(
            f"sip:{CALLEE}:5060", username="alice", domain=UNTRUSTED, password_ha1=ha1
        )


def test_unlisted_pbx_calls_with_its_password(
    plane: Cluster, callee: Agent, untrusted: Agent
) -> None:
    pbx(plane)
    call = untrusted.call(SBC1)
    first = call.invite().message
    assert first is not None
    second = call.invite(extra=call.digest(first, "alice", "secret")).message
    assert second is not None
    assert second.status == 407
    assert "stale=true" in second.get("Proxy-Authenticate")
    assert not nonce(second).startswith("c4-")
    assert asked(plane) == 1
    assert call.invite(extra=call.digest(second, "alice", "secret")).status == 200
    call.ack()
    assert call.bye().status == 200
    again = untrusted.call(SBC1).invite().message
    assert again is not None
    assert again.status == 407
    assert not nonce(again).startswith("c4-"), "it is known now: the router asks it at once"
    assert not plane.nodes["sbc1"].rpc("htable.dump", "login_failures"), "no failure was counted"


def test_wrong_password_is_refused(plane: Cluster, callee: Agent, untrusted: Agent) -> None:
    pbx(plane)
    call = untrusted.call(SBC1)
    message = call.invite().message
    for _ in range(2):
        assert message is not None
        message = call.invite(extra=call.digest(message, "alice", "guess")).message
    assert message is not None
    assert message.status == 407
    assert not callee.received


def test_nonce_is_good_for_its_address_only(
    plane: Cluster, callee: Agent, untrusted: Agent
) -> None:
    other = plane.ua(CALLEE2)
    challenge = untrusted.call(SBC1).invite().message
    assert challenge is not None
    thief = other.call(SBC1)
    result = thief.invite(extra=thief.digest(challenge, "alice", "secret"))
    assert result.status == 407
    assert nonce(result.message).startswith("c4-")
    assert nonce(result.message) != nonce(challenge)
    assert asked(plane) == 0


@pytest.mark.parametrize(
    "made",
    [
        lambda now, right: f"c4-{now}-{'0' * 64}",
        lambda now, right: f"c4-{now - 61}-{right.split('-')[2]}",
        lambda now, right: f"c4-{now + 9999}-{right.split('-')[2]}",
        lambda now, right: "c4-",
        lambda now, right: "c4-x-y",
        lambda now, right: "dcd98b7102dd2f0e8b11d0f600bfb0c093",
    ],
    ids=["signature", "age", "future", "empty", "garbage", "never given"],
)
def test_invented_nonce_gets_no_further(
    plane: Cluster, callee: Agent, untrusted: Agent, made: object
) -> None:
    assert callable(made)
    call = untrusted.call(SBC1)
    first = call.invite().message
    assert first is not None
    credentials = call.digest(first, "alice", "secret").replace(
        nonce(first), made(int(time.time()), nonce(first))
    )
    result = call.invite(extra=credentials)
    assert result.status == 407
    assert result.message is not None
    assert "stale=true" in result.message.get("Proxy-Authenticate")
    assert asked(plane) == 0


def test_nonce_of_another_sbc_is_challenged_again(plane: Cluster, untrusted: Agent) -> None:
    first, second = (nonce(untrusted.call(sbc).invite().message) for sbc in (SBC1, SBC2))
    assert first.split("-")[2] != second.split("-")[2]
    secrets = [sbc.rpc("htable.dump", "challenge_secret") for sbc in plane.tier("sbc")]
    assert all(re.search(r"value: \d+-\d+-\d+-\d+", text) for text in secrets)


@pytest.mark.parametrize("valid_s", [-1, None], ids=["old", "none"])
def test_without_a_good_list_all_may_try(
    plane: Cluster, callee: Agent, untrusted: Agent, valid_s: int | None
) -> None:
    if valid_s is None:
        withdraw(plane)
    else:
        publish(plane, [CALLER], valid_s=valid_s)
    call = untrusted.call(SBC1)
    assert call.invite().status == 200
    call.ack()
    assert call.bye().status == 200


def test_changed_list_is_in_force_at_once(plane: Cluster, callee: Agent, untrusted: Agent) -> None:
    assert untrusted.call(SBC1).invite().status == 407
    publish(plane, [CALLER, UNTRUSTED])
    call = untrusted.call(SBC1)
    assert call.invite().status == 200
    call.ack()
    assert call.bye().status == 200


def test_flood_of_unknown_callers_does_not_use_up_the_rate_of_calls(
    plane: Cluster, callee: Agent, untrusted: Agent
) -> None:
    plane.nodes["sbc1"].rpc("htable.flush", "calls_of_second")
    statuses = ask(untrusted, *(raw(untrusted, "INVITE") for _ in range(15)))
    assert statuses == [407] * 15
    assert not plane.nodes["sbc1"].rpc("htable.dump", "calls_of_second")
