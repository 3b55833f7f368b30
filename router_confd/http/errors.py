"""Failures as HTTP answers. No answer repeats what was sent: it may hold a password."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from pydantic import ValidationError
from sqlalchemy.exc import DBAPIError

from router_confd.cdr.spool import SpoolFull
from router_confd.database.engine import UNAVAILABLE, is_unavailable
from router_confd.directory.sync import Stale

MAX_BODY = 64 * 1024  # bytes
INVALID_TOKEN = "The provided token is not valid"
RETRY_AFTER = {"Retry-After": "1"}


_MEANINGS = {
    400: "tenant_uuid is missing",
    401: "no valid key or token",
    403: "of another tenant",
    404: "no such object, or not visible",
    409: "a value that must be unique exists already",
    422: "the body is not valid",
    413: "the body is too large",
    503: "not available now; another instance may be",
}


def documented(*codes: int) -> dict[int | str, dict[str, Any]]:
    """OpenAPI's `responses` for these status codes."""
    return {code: {"description": _MEANINGS[code]} for code in codes}


class Unauthorized(Exception):
    """The caller is nobody we know; the text is the answer's body."""


class Invalid(Exception):
    """A body that validates by itself but not against the database."""

    def __init__(self, field: str, message: str, kind: str = "value_error") -> None:
        super().__init__(message)
        self.item = {"loc": ["body", field], "msg": message, "type": kind}


class Duplicate(Exception):
    """A value that must be unique exists already."""

    def __init__(self, resource: str, field: str) -> None:
        super().__init__(f"Duplicated {field}")
        self.resource, self.field = resource, field


def install(app: FastAPI) -> None:
    """Register the handlers of this module."""
    for kind, handler in _HANDLERS.items():
        app.add_exception_handler(kind, handler)


async def answer(error: Exception) -> Response:
    """What the application answers when an endpoint raises this. Raises what nobody handles."""
    for kind in type(error).__mro__:
        if handler := _HANDLERS.get(kind):
            return await handler(None, error)
    raise error


def in_body(error: ValidationError) -> list[Any]:
    """The items of an error, located in the body."""
    items = error.errors(include_url=False, include_context=False, include_input=False)
    return [item | {"loc": ("body", *item["loc"])} for item in items]


def validation_items(errors: Any) -> list[dict[str, Any]]:
    """Items in the old service's form: {loc, msg, type}, without the input."""
    return [
        {"loc": list(item["loc"]), "msg": "field required", "type": "value_error.missing"}
        if item["type"] == "missing"
        else {
            "loc": list(item["loc"]),
            "msg": item["msg"].removeprefix("Value error, "),
            "type": item["type"],
        }
        for item in errors
    ]


async def _validation(_request: object, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return JSONResponse({"detail": validation_items(error.errors())}, 422)


async def _unauthorized(_request: object, error: Exception) -> Response:
    return PlainTextResponse(str(error), 401)


async def _invalid(_request: object, error: Exception) -> Response:
    assert isinstance(error, Invalid)
    return JSONResponse({"detail": [error.item]}, 422)


async def _duplicate(_request: object, error: Exception) -> Response:
    assert isinstance(error, Duplicate)
    field, message = error.field, str(error)
    constraint = {"constraing_id": field, "constraint": {"unique": True}, "message": message}
    detail = {
        "error_id": "invalid-data",
        "message": message,
        "resource": error.resource,
        "timestamp": time.time(),
        "details": {"config": {field: constraint}},
    }
    return JSONResponse({"detail": detail}, 409)


async def _stale(_request: object, _error: Exception) -> Response:
    return JSONResponse({"detail": "not available, ask another instance"}, 503, RETRY_AFTER)


async def _database(_request: object, error: Exception) -> Response:
    if not is_unavailable(error):
        raise error
    return JSONResponse({"detail": "database not available"}, 503, RETRY_AFTER)


_HANDLERS: dict[type, Callable[[object, Exception], Awaitable[Response]]] = {
    RequestValidationError: _validation,
    Unauthorized: _unauthorized,
    Invalid: _invalid,
    Duplicate: _duplicate,
    Stale: _stale,
    SpoolFull: _stale,
    **dict.fromkeys((*UNAVAILABLE, DBAPIError), _database),
}
