"""The local HTTP endpoint of Consul's health checks."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from agent.checks import probes
from agent.checks.probes import ProbeFailed
from agent.config import Config
from agent.facts import InstanceFacts

Probe = Callable[[], str]
LOOPBACK = "127.0.0.1"


def probes_of(config: Config, facts: InstanceFacts) -> Mapping[str, Probe]:
    """The probes, by the path of the endpoint."""
    address, ports = str(facts.private_ip), config.ports
    return {
        "/health/sip": lambda: probes.sip_options(address, ports.sip),
        "/health/ng": lambda: probes.ng_ping(address, ports.ng),
        "/health/http": lambda: probes.http_status(address, ports.confd_kamailio, "/status"),
        "/health/agent": lambda: "here",
    }


def own_probe(config: Config, facts: InstanceFacts) -> Probe | None:
    """The probe behind Consul's check of this instance's service; None on Consul servers."""
    if config.check_path is None:
        return None
    return probes_of(config, facts)[config.check_path]


class HealthServer(ThreadingHTTPServer):
    """Answers 200 when the path's probe succeeds, else 503 with the reason."""

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
            self._answer(404, f"no such path; the paths are {', '.join(self.server.table)}")
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
        """Log nothing: one request a second would fill the journal."""
