"""Do calls over TLS work with the certificate that the SBCs take from Secrets Manager?"""

from __future__ import annotations

import json
import socket
import ssl
import time
from collections.abc import Callable
from ipaddress import IPv4Address

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import load_pem_x509_certificates

from agent.consul import pki
from common import ports
from common.names import SBC_TLS, secret_name, service_name
from common.topology import Tier
from demo.internet import CARRIER, DID
from lab.api import Machine
from testbed.deployment.world import World
from testbed.sip.agent import Call, TcpAgent
from testbed.sip.netns import socket_in

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]


def _name(world: World) -> str:
    return secret_name(world.cluster.deployment.deployment, world.tenant.name, SBC_TLS)


def _stored(world: World) -> str:
    """The certificate chain in Secrets Manager, PEM."""
    value = world.lab.client("secretsmanager").get_secret_value(SecretId=_name(world))
    return str(json.loads(value["SecretString"])["certificate"])


def _certificates(chain: str) -> list[bytes]:
    """The certificates of a PEM chain, DER."""
    return [c.public_bytes(Encoding.DER) for c in load_pem_x509_certificates(chain.encode())]


def _connect(world: World, sbc: Machine, chain: str) -> TcpAgent:
    """The carrier, connected to an SBC by TLS; it believes only the last certificate of `chain`."""
    assert sbc.public_ip is not None
    host = world.internet[CARRIER]
    context = ssl.create_default_context(cadata=_certificates(chain)[-1])
    sock = socket_in(host.namespace, socket.SOCK_STREAM, (host.address, 0))
    sock.settimeout(5)
    sock.connect((sbc.public_ip, ports.SIPS.number))
    name = f"{service_name(world.tenant.name, Tier.SBC)}.c4.internal"
    return TcpAgent(context.wrap_socket(sock, server_hostname=name))


def _established(agent: TcpAgent, sbc: Machine) -> Call:
    assert sbc.public_ip is not None
    call = agent.call((sbc.public_ip, ports.SIPS.number), user=DID, from_user="39021234567")
    result = call.invite(timeout=10)
    assert result.status == 200, result
    call.ack()
    return call


def _wait(condition: Callable[[], bool], seconds: float, what: str) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.5)


def _shows(world: World, sbc: Machine, chain: str) -> bool:
    """True when a new connection gets a certificate of this chain's authority."""
    try:
        _connect(world, sbc, chain).close()
    except (ssl.SSLError, ConnectionError):
        return False
    return True


def test_call_over_tls_through_every_sbc(world: World) -> None:
    chain = _stored(world)
    for sbc in world.exchange.sbcs():
        carrier = _connect(world, sbc, chain)
        try:
            assert carrier.certificate == _certificates(chain)[0]
            call = _established(carrier, sbc)
            assert f"{sbc.public_ip}:{ports.SIPS.number};transport=tls" in call.target
            assert call.bye().status == 200
        finally:
            carrier.close()


def test_operators_certificate_reaches_every_sbc_without_a_restart(world: World) -> None:
    """The agents look every five minutes; here they are told to look at once."""
    sbcs, before = world.exchange.sbcs(), _stored(world)
    carrier = _connect(world, sbcs[0], before)
    started = {s.instance_id: _uptime(world, s) for s in sbcs}
    try:
        call = _established(carrier, sbcs[0])
        authority = pki.new_authority("a public authority")
        name = f"{service_name(world.tenant.name, Tier.SBC)}.c4.internal"
        pair = pki.issue_server(authority, [name], IPv4Address("203.0.113.1"))
        chain = pair.certificate + authority.certificate
        world.lab.client("secretsmanager").put_secret_value(
            SecretId=_name(world),
            SecretString=json.dumps({"certificate": chain, "private_key": pair.key}),
        )
        for sbc in sbcs:
            assert not _shows(world, sbc, chain)
            world.lab.exec(sbc, ["systemctl", "restart", "c4-agent.service"])
            _wait(lambda s=sbc: _shows(world, s, chain), 30, "the new certificate")  # type: ignore[misc]
            assert not _shows(world, sbc, before)
        # The connection and the call of before go on.
        assert call.bye().status == 200
        again = _connect(world, sbcs[0], chain)
        try:
            assert _established(again, sbcs[0]).bye().status == 200
        finally:
            again.close()
    finally:
        carrier.close()
    assert all(_uptime(world, s) >= started[s.instance_id] for s in sbcs), "Kamailio restarted"


def _uptime(world: World, machine: Machine) -> int:
    """Seconds since Kamailio's start."""
    said = world.lab.exec(machine, ["kamcmd", "core.uptime"]).stdout
    return int(next(line.split(":")[1] for line in said.splitlines() if "uptime" in line))
