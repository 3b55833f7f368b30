"""A real Consul server on loopback, with access control as on the servers of a deployment."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from consul.exceptions import ConsulException
from consul.std import Consul

from testbed.consul.program import consul_program

MANAGEMENT = "6e1b7a0e-7a3c-4c1e-9d5f-2f1f6a3c9b01"
START_LIMIT_S = 90.0


@dataclass(frozen=True)
class Server:
    """A running server; `api` makes clients of it."""

    http_port: int

    def api(self, token: str | None = MANAGEMENT) -> Any:
        return Consul(host="127.0.0.1", port=self.http_port, token=token)


@contextmanager
def consul_server(directory: Path, node: str) -> Iterator[Server]:
    """Start one, wait for its leader, and end it."""
    http, rpc, serf = _free_ports(3)
    config = {
        "node_name": node,
        "datacenter": "demo",
        "server": True,
        "bootstrap_expect": 1,
        "bind_addr": "127.0.0.1",
        "client_addr": "127.0.0.1",
        "data_dir": str(directory / "data"),
        "log_level": "error",
        "ports": {
            "http": http, "server": rpc, "serf_lan": serf, "serf_wan": -1, "dns": -1,
            "grpc": -1, "grpc_tls": -1,
        },
        "performance": {"raft_multiplier": 1},
        "acl": {
            "enabled": True,
            "default_policy": "deny",
            "tokens": {"initial_management": MANAGEMENT, "agent": MANAGEMENT},
        },
    }  # fmt: skip
    (directory / "config.json").write_text(json.dumps(config))
    program = consul_program()
    with (directory / "log").open("w") as log:
        process = subprocess.Popen(
            [program, "agent", f"-config-file={directory / 'config.json'}"], stdout=log
        )
        try:
            server = Server(http)
            _wait(server, process)
            yield server
        finally:
            process.terminate()
            process.wait(60)


def _wait(server: Server, process: subprocess.Popen[bytes]) -> None:
    """Until the management token works: a leader is there and has set access control up."""
    end = time.monotonic() + START_LIMIT_S
    while time.monotonic() < end and process.poll() is None:
        try:
            if server.api().acl.token.read_self():
                return
        except (ConsulException, requests.RequestException):
            pass  # not listening, without a leader, or access control is not set up yet
        time.sleep(0.1)
    raise AssertionError("Consul did not start")


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for sock in sockets:
            sock.bind(("127.0.0.1", 0))
        return [sock.getsockname()[1] for sock in sockets]
    finally:
        for sock in sockets:
            sock.close()
