"""Recorded answers of router-confd, for tests of Kamailio alone; the real one runs in tests/e2e."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from socketserver import ThreadingMixIn
from typing import Any

from testbed.sip.netns import socket_in


class _Server(ThreadingMixIn, HTTPServer):
    daemon_threads = True
    stub: ConfdStub

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        self.stub.connections.append(connection)
        return connection, address


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        stub = self.server.stub
        is_cdr = self.path.startswith("/1.0/kamailio/cdr")
        if not is_cdr:
            stub.requests.append(body)
        time.sleep(stub.delay_s)
        if isinstance(body, list):
            stub.keep(*body)
            stub.lists.append(len(body))
            keys = [{"idempotency_key": record["idempotency_key"]} for record in body]
            self._send(stub.status, [{"success": stub.knows_tenant} | key for key in keys])
            return
        if is_cdr:
            stub.keep(body)
            key = {"idempotency_key": body["idempotency_key"]}
            known = stub.knows_tenant
            self._send(stub.status, {"success": known, "cdr": body if known else None, **key})
            return
        self._send(stub.status, stub.decide(body) if stub.decide else stub.answer)

    def do_GET(self) -> None:
        stub = self.server.stub
        found = self.path == "/1.0/kamailio/dbtext/uacreg"
        self._send(stub.status if found else 404, {"content": stub.registrations})

    def _send(self, status: int, body: Any) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        if self.server.stub.leaving:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        pass


def answer(*destinations: str, uri: str = "sip:100@pbx.example", **auth: Any) -> dict[str, Any]:
    """A successful routing answer over these destinations, in order."""
    return {
        "auth": {"success": True, "tenant_uuid": "8c0b0b5e-7c2f-4a55-9d7a-0d8d0c1f6a11",
                 "carrier_trunk_id": 1, "ipbx_id": None, "password_ha1": None, **auth},
        "rtjson": {
            "success": bool(destinations), "version": "1.0", "routing": "serial",
            "routes": [
                {"uri": uri, "dst_uri": d, "path": "", "socket": "",
                 "headers": {"from": {"display": "", "uri": ""}, "to": {"display": "", "uri": ""},
                             "extra": ""},
                 "branch_flags": 8, "fr_timer": 5000, "fr_inv_timer": 30000}
                for d in destinations
            ],
        },
    }  # fmt: skip


def limited(made: dict[str, Any], tenant: int = 0, source: int = 0, *routes: int,
            by: str = "max_calls") -> dict[str, Any]:  # fmt: skip
    """The same answer with limits of calls; 0 is none."""

    def limit(key: str, number: int) -> dict[str, Any]:
        return {"key": key} | ({by: number} if number else {})

    made["limits"] = {"tenant": limit("tenant:t", tenant), "source": limit("ipbx:1", source)}
    for i, number in enumerate(routes):
        made["rtjson"]["routes"][i]["limits"] = limit(f"carrier_trunk:{i}", number)
    return made


class ConfdStub:
    """One instance; what it answers and how slowly can be changed while it runs."""

    def __init__(self, namespace: str, address: str, port: int) -> None:
        self.namespace, self.address, self.port = namespace, address, port
        self.status = 200
        self.delay_s = 0.0
        self.leaving = False  # each answer is the last on its connection
        self.knows_tenant = True  # of a record
        self.answer: dict[str, Any] = answer()
        self.decide: Callable[[dict[str, Any]], dict[str, Any]] | None = None  # before `answer`
        self.registrations = ""
        self.requests: list[dict[str, Any]] = []
        self.kept: list[tuple[float, dict[str, Any]]] = []  # records, and when they came
        self.lists: list[int] = []  # records in each request that had several or one
        self.connections: list[socket.socket] = []
        self._server: _Server | None = None

    @property
    def cdrs(self) -> list[dict[str, Any]]:
        return [record for _, record in self.kept]

    def keep(self, *records: dict[str, Any]) -> None:
        self.kept += [(time.monotonic(), record) for record in records]

    def start(self) -> None:
        if self._server:
            return
        sock = socket_in(self.namespace, socket.SOCK_STREAM, (self.address, self.port))
        sock.listen(64)
        server = _Server((self.address, self.port), _Handler, bind_and_activate=False)
        server.socket.close()
        server.socket = sock
        server.stub = self
        self._server = server
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        """Afterwards connections are refused."""
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._server = None
            self.hang_up()

    def hang_up(self) -> None:
        """Close the connections."""
        for connection in self.connections:
            with contextlib.suppress(OSError):  # closed by its other end
                connection.shutdown(socket.SHUT_RDWR)
        self.connections.clear()
