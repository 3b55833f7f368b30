"""A short way past FastAPI for the one request that is asked for every call.

Middlewares, routing and request objects cost as much as the decision itself.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from router_confd.errors import MAX_BODY

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]


class FastLane:
    """An ASGI application: POST to `path` is answered with the JSON that `answer` makes of a body.

    Everything else goes to `app`, and so does a body that is too large, or that `answer` raises an
    exception about: `app` has to serve `path` as well, and to say what is wrong.
    """

    def __init__(self, app: App, path: str, answer: Callable[[bytes], bytes]) -> None:
        self._app, self._path, self._answer = app, path, answer

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != self._path or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        messages, body = await _read(receive)
        reply = self._reply(body)
        if reply is None:
            await self._app(scope, _replay(messages, receive), send)
            return
        headers = [
            (b"content-length", str(len(reply)).encode()),
            (b"content-type", b"application/json"),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": reply})

    def _reply(self, body: bytes | None) -> bytes | None:
        if body is None:
            return None
        try:
            return self._answer(body)
        except Exception:  # the application will meet it again, and has the words for it
            return None


async def _read(receive: Receive) -> tuple[list[Message], bytes | None]:
    """Messages received, and the body; None when it is too large or does not end."""
    messages, body = [], b""
    while len(body) <= MAX_BODY:
        messages.append(message := await receive())
        if message["type"] != "http.request":
            break
        body += message.get("body", b"")
        if not message.get("more_body"):
            return messages, body if len(body) <= MAX_BODY else None
    return messages, None


def _replay(messages: list[Message], receive: Receive) -> Receive:
    """`receive`, preceded by messages that were taken from it already."""
    waiting = iter(messages)

    async def again() -> Message:
        for message in waiting:
            return message
        return await receive()

    return again
