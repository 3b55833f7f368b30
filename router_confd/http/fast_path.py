"""A short way through the HTTP server for what is asked for every call.

Parser, request objects, a task, middlewares and routing cost several times what the decision does.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Coroutine, Mapping
from functools import lru_cache
from typing import Any

from fastapi.responses import PlainTextResponse, Response
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from router_confd.http.errors import MAX_BODY

Reply = bytes | Response
Answer = Callable[[bytes], Reply | Coroutine[Any, Any, Reply] | None]

_END = b"\r\n\r\n"
_REQUEST = re.compile(rb"POST (/[A-Za-z0-9._/-]*) HTTP/1\.1")
_HEADER = re.compile(rb"([A-Za-z-]+): ?([!-~](?:[ -~]*[!-~])?)")
# Anything else may change what the body is, or what is to become of the connection.
_USUAL = {b"host", b"user-agent", b"accept", b"content-type", b"content-length"}

log = logging.getLogger(__name__)


class QuickHttp(HttpToolsProtocol):
    """A POST of JSON to a path of `answers` is answered with what that makes of the body: JSON, or
    a response of its own, at once or later.

    That is for plain requests whose head comes in one piece, as libcurl sends them. All others go
    the usual way, and so does a body that the answer to is None: the application has to serve the
    path as well, and to say what is wrong.
    """

    def __init__(self, answers: Mapping[str, Answer], **of_server: Any) -> None:
        super().__init__(**of_server)
        self._answers = answers
        self._parsing = False  # the parser has a part of a request
        self._begun = b""  # a plain request whose body is not complete
        self._pending = False  # an answer comes later
        self._next = b""  # came meanwhile
        self._closing = False
        self._used = 0.0  # time of the loop

    def data_received(self, data: bytes) -> None:
        if self._pending:
            self._next += data
            self.transport.pause_reading()
            return
        if self._begun:
            data, self._begun = self._begun + data, b""
        elif self._parsing or self.flow.write_paused or not self._idle():
            super().data_received(data)
            return
        if not self._taken(data):
            super().data_received(data)

    def _idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _taken(self, data: bytes) -> bool:
        """Whether the data needs nobody else."""
        head, end, body = data.partition(_END)
        plain = _plain(head) if end else None
        answer = self._answers.get(plain[0]) if plain else None
        if plain is None or answer is None or len(body) > plain[1]:
            return False
        self._keep_alive()
        if len(body) < plain[1]:
            self._begun = data
            return True
        reply = answer(body)
        if reply is None:
            return False
        if isinstance(reply, bytes | Response):
            self._write(reply)
        else:
            self._pending = True
            task = self.loop.create_task(self._answer_later(reply))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)
        return True

    async def _answer_later(self, coming: Coroutine[Any, Any, Reply]) -> None:
        try:
            reply = await coming
        except Exception:
            log.exception("no answer to a request")
            reply = PlainTextResponse("Internal Server Error", 500)
        self._pending = False
        if self.transport.is_closing():
            return
        self._write(reply)
        if self._closing:
            self.transport.close()
        elif self._next:
            self.transport.resume_reading()
            data, self._next = self._next, b""
            self.data_received(data)

    def _write(self, reply: Reply) -> None:
        self.server_state.total_requests += 1
        always = b"".join([b"%s: %s\r\n" % header for header in self.server_state.default_headers])
        if isinstance(reply, bytes):
            self.transport.write(
                b"%s%scontent-length: %d\r\ncontent-type: application/json\r\n\r\n%s"
                % (STATUS_LINE[200], always, len(reply), reply)
            )
            return
        always += b"".join([b"%s: %s\r\n" % header for header in reply.raw_headers])
        self.transport.write(
            b"%s%s\r\n%s" % (STATUS_LINE[reply.status_code], always, bytes(reply.body))
        )

    def _keep_alive(self) -> None:
        """Count the time without requests from now on; a timer for each would cost too much."""
        self._used = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    # --- called by the server --------------------------------------------------------------

    def timeout_keep_alive_handler(self) -> None:
        left = self._used + self.timeout_keep_alive - self.loop.time()
        if left <= 0 and not self._pending:
            super().timeout_keep_alive_handler()
        elif not self.transport.is_closing():
            self.timeout_keep_alive_task = self.loop.call_later(
                max(left, 1), self.timeout_keep_alive_handler
            )

    def shutdown(self) -> None:
        self._closing = True
        if not self._pending:
            super().shutdown()

    def on_message_begin(self) -> None:
        self._parsing = True
        super().on_message_begin()

    def on_message_complete(self) -> None:
        self._parsing = False
        super().on_message_complete()


@lru_cache(maxsize=4096)  # a router's requests differ in the length only
def _plain(head: bytes) -> tuple[str, int] | None:
    """Path and length of the body, when the request is a POST of JSON without anything unusual."""
    line, *lines = head.split(b"\r\n")
    request = _REQUEST.fullmatch(line)
    headers = {}
    for text in lines:
        header = _HEADER.fullmatch(text)
        if header is None or header[1].lower() in headers:
            return None
        headers[header[1].lower()] = header[2]
    length = headers.get(b"content-length", b"")
    if (
        request is None
        or not _USUAL.issuperset(headers)
        or b"host" not in headers
        or headers.get(b"content-type") != b"application/json"
        or not re.fullmatch(rb"\d{1,6}", length)
        or int(length) > MAX_BODY
    ):
        return None
    return request[1].decode(), int(length)
