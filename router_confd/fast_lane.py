"""A short way past FastAPI for what is asked for every call.

Middlewares, routing and request objects cost as much as the decision itself.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from router_confd.errors import MAX_BODY

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]
Answer = Callable[[bytes], Awaitable[bytes | App | None]]

CONTENT_TYPE = (b"content-type", b"application/json")


class FastLane:
    """An ASGI application: a POST of JSON to a path of `answers` is answered with what that makes
    of the body: JSON, or a response of its own.

    Everything else goes to `app`, and so does a body that is too large, or that the answer to is
    None: `app` has to serve the path as well, and to say what is wrong.
    """

    def __init__(self, app: App, answers: Mapping[str, Answer]) -> None:
        self._app, self._answers = app, answers

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        answer = self._answers.get(scope["path"]) if scope["type"] == "http" else None
        if answer is None or scope["method"] != "POST" or CONTENT_TYPE not in scope["headers"]:
            await self._app(scope, receive, send)
            return
        messages, body = await _read(receive)
        reply = None if body is None else await answer(body)
        if reply is None:
            await self._app(scope, _replay(messages, receive), send)
        elif isinstance(reply, bytes):
            headers = [(b"content-length", str(len(reply)).encode()), CONTENT_TYPE]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": reply})
        else:
            await reply(scope, receive, send)


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
