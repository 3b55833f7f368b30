"""The only module that knows uvicorn: its server, and the protocol that carries the fast path.

`FastPathProtocol` overrides methods and reads attributes that uvicorn does not document.
`requirements/pins.in` therefore pins uvicorn and httptools exactly. Before you move a pin, compare
`uvicorn.protocols.http.httptools_impl.HttpToolsProtocol` of both versions, and run
`tests/router_confd`.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Coroutine, Iterator, Mapping
from functools import partial
from typing import Any

import uvicorn
from fastapi import FastAPI
from fastapi.responses import PlainTextResponse, Response
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from router_confd.config import Listen
from router_confd.http import plain_request
from router_confd.http.fast_path import Handler, Reply

GRACE = 5  # seconds that requests in progress get when the server stops
KEEP_ALIVE = 65  # seconds; longer than Kamailio keeps an idle connection
_HEAD_END = b"\r\n\r\n"

log = logging.getLogger(__name__)


class Listener(uvicorn.Server):
    """One of two servers in a process. It leaves signals to the process."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def listener(app: FastAPI, listen: Listen, handlers: Mapping[str, Handler], **tls: str) -> Listener:
    """A server for `app`, not started yet.

    `handlers` are the fast path: by path, what answers a plain request before `app` sees it.
    """
    return Listener(
        uvicorn.Config(
            app,
            host=listen.host,
            port=listen.port,
            loop="uvloop",
            http=partial(FastPathProtocol, handlers),  # type: ignore[arg-type]
            ws="none",
            lifespan="off",
            access_log=False,
            log_config=None,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=KEEP_ALIVE,
            timeout_graceful_shutdown=GRACE,
            backlog=1024,
            **tls,  # type: ignore[arg-type]
        )
    )


async def serve(server: Listener) -> None:
    """Serve until `server.should_exit`. Raises OSError when the address cannot be bound."""
    try:
        await server.serve()
    except SystemExit:  # how uvicorn ends when it cannot bind; it has logged the reason
        raise OSError(f"cannot listen on {server.config.host}:{server.config.port}") from None


class FastPathProtocol(HttpToolsProtocol):
    """Answers plain requests to the paths of `handlers`, and gives all others to uvicorn.

    A request is plain when its head arrives in one piece, as libcurl sends it, and
    `plain_request` recognizes it. A handler that returns None declines, and the whole request
    goes to uvicorn and the application, which must serve the same path. What a handler raises is
    logged and answered with 500; the request is not tried again.
    """

    def __init__(self, handlers: Mapping[str, Handler], **of_server: Any) -> None:
        super().__init__(**of_server)
        self._handlers = handlers
        self._parsing = False  # uvicorn's parser has a part of a request
        self._incomplete = b""  # a plain request whose body has not arrived completely
        self._answering = False  # a handler is still at work
        self._early = b""  # arrived while a handler was at work
        self._stopping = False
        self._last_request = 0.0  # time of the loop

    def data_received(self, data: bytes) -> None:
        if self._answering:
            self._early += data
            self.transport.pause_reading()
            return
        if self._incomplete:
            data, self._incomplete = self._incomplete + data, b""
        elif self._parsing or self.flow.write_paused or not self._idle():
            super().data_received(data)
            return
        if not self._handle(data):
            super().data_received(data)

    def _idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _handle(self, data: bytes) -> bool:
        """Answer a plain request; False when uvicorn has to take the data."""
        head, end, body = data.partition(_HEAD_END)
        request = plain_request.recognize(head) if end else None
        handler = self._handlers.get(request.path) if request else None
        if request is None or handler is None or len(body) > request.length:
            return False
        self._restart_idle_time()
        if len(body) < request.length:
            self._incomplete = data
            return True
        try:
            reply = handler(body)
        except Exception:
            reply = _internal_error()
        if reply is None:
            return False
        if isinstance(reply, bytes | Response):
            self._write(reply)
        else:
            self._answering = True
            task = self.loop.create_task(self._answer_later(reply))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)
        return True

    async def _answer_later(self, coming: Coroutine[Any, Any, Reply]) -> None:
        try:
            reply = await coming
        except Exception:
            reply = _internal_error()
        self._answering = False
        if self.transport.is_closing():
            return
        self._write(reply)
        if self._stopping:
            self.transport.close()
        elif self._early:
            self.transport.resume_reading()
            data, self._early = self._early, b""
            self.data_received(data)

    def _write(self, reply: Reply) -> None:
        self.server_state.total_requests += 1
        headers = b"".join([b"%s: %s\r\n" % header for header in self.server_state.default_headers])
        if isinstance(reply, bytes):
            self.transport.write(
                b"%s%scontent-length: %d\r\ncontent-type: application/json\r\n\r\n%s"
                % (STATUS_LINE[200], headers, len(reply), reply)
            )
            return
        headers += b"".join([b"%s: %s\r\n" % header for header in reply.raw_headers])
        self.transport.write(
            b"%s%s\r\n%s" % (STATUS_LINE[reply.status_code], headers, bytes(reply.body))
        )

    def _restart_idle_time(self) -> None:
        """Count idle time from now on. A new timer for each request would cost too much."""
        self._last_request = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    # --- called by uvicorn -----------------------------------------------------------------

    def timeout_keep_alive_handler(self) -> None:
        left = self._last_request + self.timeout_keep_alive - self.loop.time()
        if left <= 0 and not self._answering:
            super().timeout_keep_alive_handler()
        elif not self.transport.is_closing():
            self.timeout_keep_alive_task = self.loop.call_later(
                max(left, 1), self.timeout_keep_alive_handler
            )

    def shutdown(self) -> None:
        self._stopping = True
        if not self._answering:
            super().shutdown()

    def on_message_begin(self) -> None:
        self._parsing = True
        super().on_message_begin()

    def on_message_complete(self) -> None:
        self._parsing = False
        super().on_message_complete()


def _internal_error() -> Response:
    """Log the exception that is being handled; the same answer as the application's."""
    log.exception("a request on the fast path failed")
    return PlainTextResponse("Internal Server Error", 500)
