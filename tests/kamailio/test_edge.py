"""What comes from the internet is hostile."""

from __future__ import annotations

import hashlib
import time

import pytest

from common import ports
from testbed.sip.addresses import ATTACKER, CALLEE, CALLEE2, SBC1, SBC2
from testbed.sip.agent import Agent
from testbed.sip.calls import established
from testbed.sip.http import fetch
from testbed.sip.metrics import refused
from testbed.sip.plane import Cluster, wait_joined, wait_until
from testbed.sip.raw_messages import ask, raw
from testbed.sip.router_confd_stub import answer

pytestmark = pytest.mark.sip


def test_forged_destination_header_is_not_obeyed(
    plane: Cluster, attacker: Agent, callee: Agent
) -> None:
    victim = plane.ua(CALLEE2)
    call = attacker.call(SBC1, headers=f"X-C4-Destination: sip:{CALLEE2}:5060\r\n")
    assert call.invite().status == 200  # routed as router-confd says
    assert not victim.received
    (invite,) = callee.seen("INVITE")
    assert not invite.get("X-C4-Destination")
    call.ack()
    call.bye()


def test_forged_source_header_is_replaced(plane: Cluster, attacker: Agent, callee: Agent) -> None:
    call = attacker.call(SBC1, headers="X-C4-Source: ip=192.0.2.1;port=5060;proto=udp\r\n")
    assert call.invite().status == 200
    call.ack()
    call.bye()
    (asked,) = [r for stub in plane.confds for r in stub.requests]
    assert asked["source_ip"] == ATTACKER


def test_preloaded_route_does_not_relay(plane: Cluster, attacker: Agent, callee: Agent) -> None:
    victim = plane.ua(CALLEE2)
    attacker.send(
        raw(attacker, "INVITE", f"Route: <sip:{SBC1[0]};lr>", f"Route: <sip:{CALLEE2}:5060;lr>"),
        SBC1,
    )
    attacker.send(raw(attacker, "INVITE", f"Route: <sip:{CALLEE2}:5060;lr>"), SBC1)
    time.sleep(0.8)
    assert not victim.received


@pytest.mark.parametrize("method", ["BYE", "INVITE", "INFO", "ACK", "REFER"])
def test_request_of_no_dialog_is_not_relayed(plane: Cluster, attacker: Agent, method: str) -> None:
    victim = plane.ua(CALLEE2)
    wait_joined(plane.nodes["sbc1"])
    text = raw(attacker, method, f"Route: <sip:{SBC1[0]};r2=on;lr>",
               f"Route: <sip:{SBC1[0]};r2=on;lr>", f"Route: <sip:{CALLEE2}:5060;lr>")  # fmt: skip
    text = text.replace("To: <sip:100@", "To: <sip:101@").replace(
        f"{SBC1[0]}>\r\nCall-ID", f"{SBC1[0]}>;tag=1\r\nCall-ID"
    )
    assert ask(attacker, text) == ([] if method == "ACK" else [481])
    assert not victim.received


def test_foreign_route_within_a_dialog_is_refused(
    plane: Cluster, caller: Agent, callee: Agent
) -> None:
    victim = plane.ua(CALLEE2)
    call, _ = established(caller, callee)
    own, call.routes = call.routes, [f"<sip:{CALLEE2}:5060;lr>"]
    assert call.request("INFO").status == 403
    assert not victim.received
    call.routes = own
    assert call.bye().status == 200


@pytest.mark.parametrize("agent_name", ["friendly-scanner", "sipvicious", "SIPVicious/0.3"])
def test_scanner_is_banned_on_every_sbc(plane: Cluster, attacker: Agent, agent_name: str) -> None:
    assert ask(attacker, raw(attacker, "OPTIONS", f"User-Agent: {agent_name}")) == []
    for sbc in (SBC1, SBC2):  # the ban travelled by DMQ
        assert ask(attacker, raw(attacker, "OPTIONS"), to=sbc) == []
    plane.nodes["sbc1"].rpc("htable.delete", "ban", ATTACKER)
    wait_until(lambda: ATTACKER not in plane.nodes["sbc2"].rpc("htable.dump", "ban"), 2)


def test_flood_is_banned_and_others_are_served(
    plane: Cluster, attacker: Agent, caller: Agent, callee: Agent
) -> None:
    limit = plane.tenant.sip.edge.flood_requests
    for _ in range(limit + 50):
        attacker.send(raw(attacker, "OPTIONS"), SBC1)
    wait_until(lambda: ATTACKER in plane.nodes["sbc2"].rpc("htable.dump", "ban"), 2, "ban at sbc2")
    assert ask(attacker, raw(attacker, "OPTIONS"), to=SBC2) == []
    call, _ = established(caller, callee)
    assert call.bye().status == 200


def test_own_routers_are_never_banned(plane: Cluster, caller: Agent, callee: Agent) -> None:
    for _ in range(60):
        call, _ = established(caller, callee)
        call.bye()
    banned = plane.nodes["sbc1"].rpc("htable.dump", "ban")
    assert not any(router.address in banned for router in plane.tier("rtr"))


@pytest.mark.parametrize(
    ("change", "status"),
    [
        (("Max-Forwards: 70", "Max-Forwards: 0"), 483),
        (("CSeq: 1 OPTIONS", "CSeq: 1 INVITE"), 400),
        (("SIP/2.0\r\nVia", "SIP/7.0\r\nVia"), 0),
        (("Content-Length: 0", "Content-Length: 9999"), 400),
    ],
    ids=["max-forwards", "cseq", "version", "content-length"],
)
def test_malformed_request_is_refused(
    plane: Cluster, attacker: Agent, change: tuple[str, str], status: int
) -> None:
    assert ask(attacker, raw(attacker, "OPTIONS").replace(*change)) == ([status] if status else [])
    assert ask(attacker, raw(attacker, "OPTIONS")) == [200]


def test_oversized_message_is_refused(plane: Cluster, attacker: Agent) -> None:
    padding = [f"X-Padding-{i}: {'x' * 1000}" for i in range(20)]
    assert ask(attacker, raw(attacker, "OPTIONS", *padding)) == [513]


@pytest.mark.parametrize("method", ["REGISTER", "SUBSCRIBE", "PUBLISH", "MESSAGE", "KDMQ", "FOO"])
def test_method_without_use_is_refused(plane: Cluster, attacker: Agent, method: str) -> None:
    assert ask(attacker, raw(attacker, method)) == [405]


def test_garbage_does_no_harm(plane: Cluster, attacker: Agent) -> None:
    for text in (
        "\0" * 500,
        "GET / HTTP/1.1\r\n\r\n",
        "INVITE",
        "\r\n\r\n",
        "SIP/2.0 200 OK\r\n\r\n",
    ):
        ask(attacker, text, seconds=0.1)
    assert ask(attacker, raw(attacker, "OPTIONS")) == [200]


def test_internal_ports_are_not_served_to_the_internet_side(
    plane: Cluster, attacker: Agent
) -> None:
    """Security groups keep them out on AWS; Kamailio does not rely on that alone."""
    victim = plane.ua(CALLEE2)
    destination = f"X-C4-Destination: sip:{CALLEE2}:5060"
    inside = (SBC1[0], ports.SIP_INTERNAL.number)
    assert ask(attacker, raw(attacker, "INVITE", destination), to=inside) == []
    kdmq = raw(attacker, "KDMQ", uri=f"sip:notification_peer@{SBC1[0]}")
    assert ask(attacker, kdmq, to=(SBC1[0], ports.DMQ.number)) == []
    assert not victim.received


def test_untrusted_sources_may_try_few_calls(plane: Cluster, attacker: Agent) -> None:
    for stub in plane.confds:
        stub.answer = {"auth": {"success": False}, "rtjson": {"success": False}}
    limit = plane.tenant.sip.edge.untrusted_calls_per_10s
    texts = [raw(attacker, "INVITE") for _ in range(limit + 20)]
    statuses = ask(attacker, *texts, seconds=1.5)
    assert len([s for s in statuses if s == 407]) >= limit
    assert sum(len(stub.requests) for stub in plane.confds) == limit


def test_callers_of_accepted_calls_are_trusted(
    plane: Cluster, caller: Agent, callee: Agent
) -> None:
    for _ in range(plane.tenant.sip.edge.untrusted_calls_per_10s + 10):
        call, _ = established(caller, callee)
        assert call.bye().status == 200


def test_guessing_passwords_is_banned(plane: Cluster, attacker: Agent, callee: Agent) -> None:
    for stub in plane.confds:
        stub.answer = answer(
            f"sip:{CALLEE}:5060", username="alice", domain=ATTACKER, password_ha1="0" * 32
        )
    call = attacker.call(SBC1)
    result = call.invite()
    for guess in range(plane.tenant.sip.edge.login_failures_per_min + 1):
        if result.message is None:
            break
        result = call.invite(extra=call.digest(result.message, "alice", f"guess{guess}"), timeout=1)
    assert result.status == 0
    assert ask(attacker, raw(attacker, "OPTIONS"), to=SBC2) == []
    assert not callee.seen("INVITE")


def test_replayed_credentials_are_refused(plane: Cluster, attacker: Agent, callee: Agent) -> None:
    ha1 = hashlib.md5(f"alice:{ATTACKER}:secret".encode()).hexdigest()
    for stub in plane.confds:
        stub.answer = answer(
            f"sip:{CALLEE}:5060", username="alice", domain=ATTACKER, password_ha1=ha1
        )
    call = attacker.call(SBC1)
    challenge = call.invite().message
    assert challenge is not None
    credentials = call.digest(challenge, "alice", "secret")
    assert call.invite(extra=credentials).status == 200
    call.ack()
    call.bye()
    again = attacker.call(SBC1)
    assert again.invite(extra=credentials).status == 407
    plane.nodes["sbc1"].rpc("htable.sets", "challenging_router", again.call_id, "")


def test_more_calls_than_an_sbc_takes_get_503_at_once(
    plane: Cluster, caller: Agent, callee: Agent
) -> None:
    limit = plane.tenant.sip.overload.new_calls_per_s
    now = int(time.time())
    for second in range(now, now + 4):  # whatever second the call falls into
        plane.nodes["sbc1"].rpc("htable.seti", "calls_of_second", f"s:{second}", str(limit))
    result = caller.call(SBC1).invite()
    assert result.status == 503
    assert result.own_s < 0.1
    assert result.message is not None
    assert result.message.get("Retry-After") == "5"
    assert not callee.received


def test_one_source_does_not_get_all_calls_of_an_sbc(
    plane: Cluster, caller: Agent, attacker: Agent, callee: Agent
) -> None:
    limit = plane.tenant.sip.overload.source_share_per_s
    assert limit == plane.tenant.sip.overload.new_calls_per_s // 2
    now = int(time.time())
    for second in range(now, now + 4):  # whatever second the call falls into
        key = f"s:{attacker.address[0]};{second}"
        plane.nodes["sbc1"].rpc("htable.seti", "calls_of_source", key, str(limit))
    plane.nodes["sbc1"].rpc("htable.flush", "calls_of_second")
    result = attacker.call(SBC1).invite()
    assert result.status == 503
    assert result.message is not None
    assert result.message.get("Retry-After") == "5"
    call, _ = established(caller, callee)
    assert call.bye().status == 200
    assert refused(plane, "source_rate") == 1


def test_metrics_count_what_was_refused(plane: Cluster, attacker: Agent) -> None:
    ask(attacker, raw(attacker, "OPTIONS", "User-Agent: sipvicious"))
    assert refused(plane, "scanner") > 0
    assert "kamailio_dialog_active_dialogs" in fetch(plane, "sbc1", "/metrics")
    assert fetch(plane, "sbc1", "/health") == "ok\n"
