"""TLS where the SBC is the client: whom it believes."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.consul import pki
from common import ports
from settings import load
from testbed.sip.netns import socket_in
from testbed.sip.plane import Cluster, cluster, wait_until, with_sip
from testbed.sip.registrar import TcpRegistrar
from testbed.sip.registration import PUBLIC, REGISTRAR, Agents, registered, tell, trunk

pytestmark = pytest.mark.sip


@pytest.fixture(scope="module")
def plane(image_root: tuple[Path, ...]) -> Iterator[Cluster]:
    authority = pki.new_authority("registrars")
    deployment = with_sip(load("demo"), tls={"authorities": authority.certificate})
    with cluster(image_root, deployment, authority=authority) as made:
        yield made


def registrar_by_tls(plane: Cluster, authority: pki.Pair | None) -> TcpRegistrar:
    plane.ua(REGISTRAR, 5099)  # its namespace
    made = TcpRegistrar(
        socket_in(plane.namespace_of(REGISTRAR), socket.SOCK_STREAM, (REGISTRAR, 5081)),
        realm="carrier.example", user="user", password="se:cret",
        context=plane.server_context(REGISTRAR, authority),
    )  # fmt: skip
    plane.agents.append(made)
    return made


def test_trunk_registers_over_tls(plane: Cluster, agents: Agents) -> None:
    registrar = registrar_by_tls(plane, None)
    tell(plane, trunk(7, port=5081, parameters=";transport=tls"))
    registered(registrar)
    assert registrar.living[0].contact in {
        f"sip:7@{public}:{ports.SIPS.number};transport=tls" for public in PUBLIC
    }
    assert len(registrar.registers) == 2  # 401, then 200
    assert len(registrar.connections) == 1
    assert not registrar.failed
    assert registrar.registers[0].get("Via").startswith("SIP/2.0/TLS ")


def test_registrar_of_another_authority_hears_nothing(plane: Cluster, agents: Agents) -> None:
    impostor = registrar_by_tls(plane, pki.new_authority("unknown"))
    tell(plane, trunk(7, port=5081, parameters=";transport=tls"))
    wait_until(lambda: bool(impostor.failed), 10, "a refused handshake")
    assert not impostor.received
