"""Errors as HTTP answers. No answer repeats what the client sent: it may hold a password."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from pydantic import ValidationError
from sqlalchemy.exc import DBAPIError

from router_confd.cdr.spool import SpoolFull
from router_confd.cdr.store import Incomplete
from router_confd.database.engine import UNAVAILABLE, is_unavailable, reason
from router_confd.directory.sync import Stale

MAX_BODY = 64 * 1024  # bytes
INVALID_TOKEN = "The provided token is not valid"
RETRY_AFTER = {"Retry-After": "1"}


class Unauthorized(Exception):
    """The client is not authenticated; the text is the body of the answer."""


class Invalid(Exception):
    """A body that is valid by itself, but not beside what the database has."""

    def __init__(self, field: str, message: str, kind: str = "value_error") -> None:
        super().__init__(message)
        self.item = {"loc": ["body", field], "msg": message, "type": kind}


class Duplicate(Exception):
    """A value that must be unique exists already."""

    def __init__(self, resource: str, field: str) -> None:
        super().__init__(f"Duplicated {field}")
        self.resource, self.field = resource, field


def install(app: FastAPI) -> None:
    """Let the application answer exceptions as `answer` does."""

    async def handle(_request: object, error: Exception) -> Response:
        return answer(error)

    for kind in _ANSWERS:
        app.add_exception_handler(kind, handle)


def answer(error: Exception) -> Response:
    """What clients get when an endpoint raises this. Raises it again when it has no answer here,
    which means status 500."""
    for kind in type(error).__mro__:
        if respond := _ANSWERS.get(kind):
            return respond(error)
    raise error


def in_body(error: ValidationError) -> list[Any]:
    """The items of an error, located in the body."""
    items = error.errors(include_url=False, include_context=False, include_input=False)
    return [item | {"loc": ("body", *item["loc"])} for item in items]


def validation_items(errors: Any) -> list[dict[str, Any]]:
    """Items in the form of wazo-router-confd: {loc, msg, type}, without the input."""
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


def _validation(error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return JSONResponse({"detail": validation_items(error.errors())}, 422)


def _unauthorized(error: Exception) -> Response:
    return PlainTextResponse(str(error), 401)


def _invalid(error: Exception) -> Response:
    assert isinstance(error, Invalid)
    return JSONResponse({"detail": [error.item]}, 422)


def _incomplete(error: Exception) -> Response:
    return _invalid(Invalid(str(error), "field required", "value_error.missing"))


def _duplicate(error: Exception) -> Response:
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


def _stale(_error: Exception) -> Response:
    return JSONResponse({"detail": "not available, ask another instance"}, 503, RETRY_AFTER)


def _database(error: Exception) -> Response:
    if not is_unavailable(error):
        raise error
    return JSONResponse({"detail": f"database not available: {reason(error)}"}, 503, RETRY_AFTER)


_ANSWERS: dict[type, Callable[[Exception], Response]] = {
    RequestValidationError: _validation,
    Unauthorized: _unauthorized,
    Invalid: _invalid,
    Incomplete: _incomplete,
    Duplicate: _duplicate,
    Stale: _stale,
    SpoolFull: _stale,
    **dict.fromkeys((*UNAVAILABLE, DBAPIError), _database),
}
