"""Does TLS believe a server's certificate, and nothing else that the agents hold?"""

from __future__ import annotations

import socket
import ssl
import threading
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from agent.consul import pki

HOSTS = ("server.demo.consul", "localhost")


def _handshake(server: pki.Pair, trusted: pki.Pair, host: str, folder: Path) -> None:
    """A TLS connection over a socket pair; the client insists on `host`."""
    (folder / "server.pem").write_text(server.certificate + server.key)
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_side.load_cert_chain(folder / "server.pem")
    client_side = ssl.create_default_context(cadata=trusted.certificate)
    left, right = socket.socketpair()

    def serve() -> None:
        try:
            server_side.wrap_socket(left, server_side=True).close()
        except OSError:  # the client's refusal; ssl.SSLError is one
            left.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        client_side.wrap_socket(right, server_hostname=host).close()
    finally:
        right.close()
        thread.join()


@pytest.fixture(scope="module")
def authority() -> pki.Pair:
    return pki.new_authority("Consul of demo")


@pytest.fixture(scope="module")
def server(authority: pki.Pair) -> pki.Pair:
    return pki.issue_server(authority, HOSTS, IPv4Address("10.40.64.5"))


@pytest.mark.parametrize("host", ["server.demo.consul", "localhost", "127.0.0.1", "10.40.64.5"])
def test_a_client_believes_a_server(
    authority: pki.Pair, server: pki.Pair, host: str, tmp_path: Path
) -> None:
    _handshake(server, authority, host, tmp_path)


def test_a_server_of_another_deployment_is_refused(server: pki.Pair, tmp_path: Path) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        _handshake(server, pki.new_authority("Consul of demo"), "server.demo.consul", tmp_path)


def test_a_server_of_another_name_is_refused(
    authority: pki.Pair, server: pki.Pair, tmp_path: Path
) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match=r"server\.prod\.consul"):
        _handshake(server, authority, "server.prod.consul", tmp_path)


def test_a_server_cannot_sign_certificates(
    authority: pki.Pair, server: pki.Pair, tmp_path: Path
) -> None:
    forged = pki.issue_server(server, HOSTS, IPv4Address("10.40.64.66"))
    chained = pki.Pair(forged.certificate + server.certificate, forged.key)
    with pytest.raises(ssl.SSLCertVerificationError):
        _handshake(chained, authority, "server.demo.consul", tmp_path)
