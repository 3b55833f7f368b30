"""Trunks register at carriers that want it; somebody always does, and only one."""

from __future__ import annotations

import socket
import stat
import time

import pytest

from agent.kamailio.registrations import parse
from common import ports
from common.kamailio import UACREG_HEAD, UACREG_TABLE
from testbed.sip.addresses import CALLEE, ROUTERS, SBC1, SBCS
from testbed.sip.agent import Agent
from testbed.sip.netns import run, socket_in
from testbed.sip.node import Node
from testbed.sip.plane import Cluster, wait_until
from testbed.sip.registrar import Registrar, TcpRegistrar
from testbed.sip.registration import (
    INTERVAL_S,
    PUBLIC,
    REGISTRAR,
    Agents,
    holders,
    registered,
    tell,
    trunk,
)

pytestmark = pytest.mark.sip


@pytest.fixture
def registrar(plane: Cluster) -> Registrar:
    plane.ua(REGISTRAR, 5099)  # its namespace
    sock = socket_in(plane.namespace_of(REGISTRAR), socket.SOCK_DGRAM, (REGISTRAR, 5060))
    made = Registrar(sock, realm="carrier.example", user="user", password="se:cret")
    plane.agents.append(made)
    return made


def all_of(plane: Cluster) -> list[str]:
    return sorted(number for trunks in holders(plane).values() for number in trunks)


def holder(plane: Cluster, number: int) -> Node:
    (name,) = [name for name, trunks in holders(plane).items() if str(number) in trunks]
    return plane.nodes[name]


def test_trunk_registers_by_digest_at_the_public_address_of_an_sbc(
    plane: Cluster, registrar: Registrar, agents: Agents
) -> None:
    tell(plane, trunk(7))
    registered(registrar)
    (binding,) = registrar.living
    assert binding.contact in {f"sip:7@{public}:{ports.SIP}" for public in PUBLIC}
    assert binding.source in binding.contact
    assert registrar.refused == 0
    assert len(registrar.registers) == 2  # 401, then 200
    for message in registrar.registers:
        text = "\n".join(f"{k}: {v}" for k, v in message.headers)
        assert "10.40." not in text and "x-c4-" not in text.lower() and "registrar" not in text
        assert "se:cret" not in text
        assert message.uri == "sip:carrier.example"
        assert len(message.all("Via")) == 1
    time.sleep(3 * INTERVAL_S)
    assert len(registrar.registers) == 2, "once is enough"
    (sbc,) = (n for n in plane.tier("sbc") if n.public in binding.contact)
    nft = ["ip", "netns", "exec", sbc.namespace, "nft"]
    assert REGISTRAR in run([*nft, "list", "set", "ip", "c4_edge", "trusted"]), (
        "floods drop answers"
    )
    assert sum("7" in trunks for trunks in holders(plane).values()) == 1


def test_trunk_registers_over_tcp(plane: Cluster, agents: Agents) -> None:
    plane.ua(REGISTRAR, 5099)  # its namespace
    sock = socket_in(plane.namespace_of(REGISTRAR), socket.SOCK_STREAM, (REGISTRAR, 5080))
    registrar = TcpRegistrar(sock, realm="carrier.example", user="user", password="se:cret")
    plane.agents.append(registrar)
    tell(plane, trunk(7, port=5080, parameters=";transport=tcp"))
    registered(registrar)
    assert registrar.living[0].contact in {
        f"sip:7@{public}:{ports.SIP};transport=tcp" for public in PUBLIC
    }
    assert len(registrar.registers) == 2


def test_password_is_for_kamailio_only(
    plane: Cluster, registrar: Registrar, agents: Agents
) -> None:
    tell(plane, trunk(7))
    registered(registrar)
    file = holder(plane, 7).lists / "uacreg"
    assert "se\\:cret" in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert all("cret" not in node.log.read_text(errors="replace") for node in plane.tier("rtr"))


def test_registration_is_refreshed_before_it_expires(
    plane: Cluster, registrar: Registrar, agents: Agents
) -> None:
    registrar.longest_s = 15
    tell(plane, trunk(7))
    registered(registrar)
    first = registrar.living[0].until
    wait_until(lambda: registrar.living[0].until > first, 14, "a refresh before the expiry")
    assert len(registrar.living) == 1


def test_another_router_takes_over_before_the_expiry(
    plane: Cluster, registrar: Registrar, agents: Agents
) -> None:
    tell(plane, trunk(7))
    registered(registrar)
    (before,) = registrar.living
    dead = holder(plane, 7)
    dead.kill()
    wait_until(lambda: registrar.living[0].call_id != before.call_id, 10, "another REGISTER")
    (after,) = registrar.living
    assert after.contact == before.contact, "the carrier keeps one binding"
    assert holder(plane, 7) is not dead


def test_registration_moves_to_another_sbc(
    plane: Cluster, registrar: Registrar, agents: Agents
) -> None:
    tell(plane, trunk(7))
    registered(registrar)
    (before,) = registrar.living
    (dead,) = [name for name, (_, public) in SBCS.items() if public in before.contact]
    plane.nodes[dead].kill()
    del agents.sbcs[dead]
    (other,) = [public for _, public in agents.sbcs.values()]
    contact = f"sip:7@{other}:{ports.SIP}"
    wait_until(lambda: contact in registrar.bindings, 10, "binding at the other SBC")
    agents.sbcs = dict(SBCS)


def test_trunks_are_divided_and_none_moves_without_need(
    plane: Cluster, registrar: Registrar, agents: Agents
) -> None:
    tell(plane, *(trunk(number) for number in range(10, 22)))
    wait_until(lambda: len(registrar.living) == 12, 10, "all bindings")
    have = holders(plane)
    assert all_of(plane) == [str(n) for n in range(10, 22)]
    assert all(have[name] for name in ROUTERS), "each router has some"
    seen = len(registrar.registers)
    tell(plane, *(trunk(number) for number in range(10, 23)))
    wait_until(lambda: len(registrar.living) == 13, 10, "the new one")
    assert len(registrar.registers) == seen + 2


def test_dropped_trunk_is_unregistered(
    plane: Cluster, registrar: Registrar, agents: Agents
) -> None:
    tell(plane, trunk(7), trunk(8))
    wait_until(lambda: len(registrar.living) == 2, 10)
    tell(plane, trunk(8))
    wait_until(lambda: [b.contact[:6] for b in registrar.living] == ["sip:8@"], 10, "one binding")
    wait_until(lambda: all_of(plane) == ["8"], 5)


def test_changed_password_is_used_at_once(
    plane: Cluster, registrar: Registrar, agents: Agents
) -> None:
    tell(plane, trunk(7, password="wrong"))
    wait_until(lambda: registrar.refused > 0, 8, "a refused digest")
    assert not registrar.living
    tell(plane, trunk(7))
    registered(registrar)


def test_restarted_kamailio_goes_on(plane: Cluster, registrar: Registrar, agents: Agents) -> None:
    tell(plane, *(trunk(number) for number in range(10, 16)))
    wait_until(lambda: len(registrar.living) == 6, 10)
    router = holder(plane, 10)
    own = set(holders(plane)[router.name])
    router.kill()
    plane.revive(router)
    wait_until(lambda: set(holders(plane)[router.name]) == own, 10, "its trunks are its own again")
    wait_until(lambda: all_of(plane) == [str(n) for n in range(10, 16)])
    assert len(registrar.living) == 6


def test_registrations_survive_router_confd(
    plane: Cluster, registrar: Registrar, agents: Agents
) -> None:
    tell(plane, trunk(7))
    registered(registrar)
    (before,) = registrar.living
    for stub in plane.confds:
        stub.stop()
    time.sleep(3 * INTERVAL_S)
    holder(plane, 7).kill()  # who takes over asked before
    wait_until(lambda: registrar.living[0].call_id != before.call_id, 10, "another REGISTER")
    for stub in plane.confds:
        stub.start()


def test_carrier_calls_the_registered_contact(
    plane: Cluster, registrar: Registrar, agents: Agents
) -> None:
    callee = plane.ua(CALLEE)
    tell(plane, trunk(7))
    registered(registrar)
    uri = registrar.living[0].contact
    host = uri.partition("@")[2].partition(":")[0]
    call = registrar.call((host, 5060))
    call.target = uri
    assert call.invite().status == 200
    call.ack()
    assert callee.seen("INVITE", call.call_id)
    asked = [r for stub in plane.confds for r in stub.requests if r["call_id"] == call.call_id]
    assert [r["request_uri"] for r in asked] == [uri]
    assert call.bye().status == 200


def test_nobody_else_registers_through_an_sbc(plane: Cluster, registrar: Registrar) -> None:
    """The internal socket knows its routers; from outside REGISTER is no method at all."""
    untrusted: Agent = plane.ua("198.51.100.66")
    text = "\r\n".join([
        "REGISTER sip:carrier.example SIP/2.0",
        "Via: SIP/2.0/UDP 198.51.100.66:5060;branch=z9hG4bK1;rport",
        "From: <sip:user@carrier.example>;tag=1", "To: <sip:user@carrier.example>",
        "Call-ID: untrusted", "CSeq: 1 REGISTER", "Max-Forwards: 70",
        f"Contact: <sip:7@198.51.100.66;registrar={REGISTRAR}:5060>", "Content-Length: 0", "", "",
    ])  # fmt: skip
    for port in (ports.SIP.number, ports.SIP_INTERNAL.number):
        untrusted.send(text, (SBC1[0], port))
    time.sleep(0.5)
    assert not registrar.registers
    assert {m.status for m in untrusted.received} == {405}


def test_initial_table_is_that_of_router_confd() -> None:
    from common.topology import Tier
    from rendering.kamailio_files import INITIAL

    assert INITIAL[Tier.ROUTER][UACREG_TABLE] == UACREG_HEAD + "\n"
    text = f"{UACREG_HEAD}\n{trunk(7)}\n"
    assert parse(text).text() == f"{UACREG_HEAD}\n1{trunk(7)[1:]}\n"
