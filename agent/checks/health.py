"""The local HTTP endpoint that Consul's health checks ask."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from agent.checks import probes
from agent.checks.probes import ProbeFailed
from agent.config import Config
from agent.facts import Facts

Probe = Callable[[], str]
LOOPBACK = "127.0.0.1"


def probes_of(config: Config, facts: Facts) -> Mapping[str, Probe]:
    """Probe by path of the endpoint."""
    address, ports = str(facts.private_ip), config.ports
    return {
        "/health/sip": lambda: probes.sip_options(address, ports.sip),
        "/health/ng": lambda: probes.ng_ping(address, ports.ng),
        "/health/http": lambda: probes.http_status(address, ports.confd_kamailio, "/status"),
        "/health/agent": lambda: "here",
    }


def own_probe(config: Config, facts: Facts) -> Probe | None:
    """The probe that Consul's check of the own service asks for; None on Consul servers."""
    if config.check_path is None:
        return None
    return probes_of(config, facts)[config.check_path]


class HealthServer(ThreadingHTTPServer):
    """Answers 200 when the probe of the path succeeds, 503 with its reason when not."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, port: int, table: Mapping[str, Probe]) -> None:
        self.table = table
        super().__init__((LOOPBACK, port), _Handler)

    def start(self) -> None:
        """Serve in a thread of its own until `shutdown`."""
        threading.Thread(target=self.serve_forever, name="health", daemon=True).start()


class _Handler(BaseHTTPRequestHandler):
    timeout = 5
    server: HealthServer

    def do_GET(self) -> None:
        probe = self.server.table.get(self.path)
        if probe is None:
            self._answer(404, f"no such path; there are {', '.join(self.server.table)}")
            return
        try:
            self._answer(200, probe())
        except ProbeFailed as error:
            self._answer(503, str(error))

    def _answer(self, status: int, text: str) -> None:
        body = f"{text}\n".encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Silent: one request a second would fill the journal."""
