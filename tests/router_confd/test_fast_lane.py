"""The short way past FastAPI answers what it can, and hands on the rest untouched."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from router_confd.errors import MAX_BODY
from router_confd.fast_lane import App, FastLane, Message, Receive, Send

PATH = "/1.0/kamailio/routing"


class Behind:
    """The application behind; it reads the whole body and answers 418."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        more = True
        while more:
            message = await receive()
            self.messages.append(message)
            more = message.get("more_body", False)
        await send({"type": "http.response.start", "status": 418, "headers": []})
        await send({"type": "http.response.body", "body": b""})


async def _other_answer(_scope: Message, _receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 503, "headers": []})
    await send({"type": "http.response.body", "body": b"later"})


async def _upper(body: bytes) -> bytes | App | None:
    if body == b"later":
        return _other_answer
    return None if body.startswith(b"bad") else body.upper()


def _parts(*bodies: bytes) -> list[dict[str, Any]]:
    last = len(bodies) - 1
    return [
        {"type": "http.request", "body": body, "more_body": number < last}
        for number, body in enumerate(bodies)
    ]


def _ask(
    messages: list[dict[str, Any]],
    *,
    path: str = PATH,
    method: str = "POST",
    content_type: bytes = b"application/json",
) -> tuple[list[Message], Behind]:
    """What was sent, and the application behind."""
    sent: list[Message] = []
    behind, waiting = Behind(), iter(messages)

    async def receive() -> Message:
        return next(waiting)

    async def send(message: Message) -> None:
        sent.append(message)

    headers = [(b"host", b"x"), (b"content-type", content_type)]
    scope = {"type": "http", "path": path, "method": method, "headers": headers}
    asyncio.run(FastLane(behind, {PATH: _upper})(scope, receive, send))
    return sent, behind


@pytest.mark.parametrize("parts", [(b"hello",), (b"he", b"l", b"lo"), (b"hello", b"")], ids=len)
def test_a_question_is_answered_at_once(parts: tuple[bytes, ...]) -> None:
    sent, behind = _ask(_parts(*parts))

    assert not behind.messages
    assert sent[0]["status"] == 200
    assert dict(sent[0]["headers"]) == {
        b"content-length": b"5",
        b"content-type": b"application/json",
    }
    assert sent[1]["body"] == b"HELLO"


def test_it_can_answer_with_a_response_of_its_own() -> None:
    sent, behind = _ask(_parts(b"lat", b"er"))

    assert not behind.messages
    assert (sent[0]["status"], sent[1]["body"]) == (503, b"later")


def test_what_is_not_said_to_be_json_goes_on() -> None:
    messages = _parts(b"hello")

    sent, behind = _ask(messages, content_type=b"text/plain")

    assert sent[0]["status"] == 418
    assert behind.messages == messages


@pytest.mark.parametrize(
    ("path", "method"), [("/status", "POST"), (PATH + "/", "POST"), (PATH, "GET")]
)
def test_other_requests_go_on(path: str, method: str) -> None:
    messages = _parts(b"hello")

    sent, behind = _ask(messages, path=path, method=method)

    assert sent[0]["status"] == 418
    assert behind.messages == messages


@pytest.mark.parametrize(
    "bodies",
    [(b"bad",), (b"bad", b"ly"), (b"x" * MAX_BODY, b"x", b"x"), (b"x" * (MAX_BODY + 1),)],
    ids=["bad", "bad in parts", "too large in parts", "too large"],
)
def test_what_it_cannot_answer_goes_on_whole(bodies: tuple[bytes, ...]) -> None:
    messages = _parts(*bodies)

    sent, behind = _ask(messages)

    assert sent[0]["status"] == 418
    assert behind.messages == messages


def test_a_client_that_goes_away_is_seen_behind() -> None:
    messages = [*_parts(b"he", b"llo")[:1], {"type": "http.disconnect"}]

    _, behind = _ask(messages)

    assert behind.messages == messages
