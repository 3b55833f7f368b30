"""WSGI applications served in threads, on sockets that may belong to another namespace."""

from __future__ import annotations

import os
import socket
import ssl
import threading
from pathlib import Path
from typing import Final
from wsgiref.types import WSGIApplication

from werkzeug.serving import WSGIRequestHandler, make_server

BUFFER: Final = 1 << 20  # bytes


class Handler(WSGIRequestHandler):
    """Sends headers and body together.

    When the body arrives later than the headers, Terraform's AWS provider considers the answer
    broken. It repeats the request, and then fails because the first one was carried out.
    """

    wbufsize = BUFFER

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Log nothing: there are thousands of polls."""


def serve(
    sock: socket.socket, app: WSGIApplication, tls: tuple[Path, Path] | None = None
) -> threading.Thread:
    """Serve `app` on a listening socket until the process ends; `tls` is certificate and key."""
    context = None
    if tls is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*tls)
    host, port = sock.getsockname()
    server = make_server(
        host,
        port,
        app,
        threaded=True,
        request_handler=Handler,
        fd=os.dup(sock.fileno()),
        ssl_context=context,
    )
    thread = threading.Thread(target=server.serve_forever, name=f"{host}:{port}", daemon=True)
    thread.start()
    return thread
