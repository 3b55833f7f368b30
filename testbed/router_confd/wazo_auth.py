"""wazo-auth as far as its clients see it: an HTTP server with tokens and tenants."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import uuid4


class WazoAuth:
    """Serves on loopback while the context is open."""

    def __init__(self) -> None:
        self._tokens: dict[str, tuple[str, ...]] = {}
        self.questions = 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.questions += 1
                status, body = outer.answer(self.path, self.headers.get("X-Auth-Token", ""))
                data = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/0.1"

    def token(self, *tenants: str) -> str:
        """A token of a user of the first tenant, who sees all of them."""
        token = str(uuid4())
        self._tokens[token] = tenants
        return token

    def answer(self, path: str, sent: str) -> tuple[int, Any]:
        if path == "/0.1/tenants" and sent in self._tokens:
            return 200, {"items": [{"uuid": uuid} for uuid in self._tokens[sent]]}
        token = path.removeprefix("/0.1/token/")
        if token not in self._tokens:
            return 404, {"reason": ["No such token"]}
        metadata = {"uuid": str(uuid4()), "tenant_uuid": self._tokens[token][0]}
        return 200, {"data": {"auth_id": "user", "token": token, "metadata": metadata}}

    def __enter__(self) -> WazoAuth:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
