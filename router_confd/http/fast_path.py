"""The fast path: what every call asks for, answered without uvicorn's parser and FastAPI.

Parser, request object, task, middlewares and validation cost several times what the decision does
(docs/decisions/0004-fast-path.md). Each handler calls the same function as FastAPI's endpoint of
that path. It declines, by returning None, only a body that cannot be parsed or does not validate:
FastAPI then reads it again and says what is wrong with it. Everything else is answered here, once.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from fastapi.responses import Response
from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_json

from router_confd.cdr import intake
from router_confd.container import Service
from router_confd.http import errors
from router_confd.http.internal import PREFIX
from router_confd.resources.schemas.kamailio import CdrRequest, RoutingRequest
from router_confd.routing import lookup

Reply = bytes | Response  # bytes: JSON, answered with 200
Handler = Callable[[bytes], Reply | Coroutine[Any, Any, Reply] | None]

_RECORDS = TypeAdapter(list[intake.Body])
# Of json.loads, which FastAPI uses as well, and of Pydantic, whose ValidationError is a ValueError.
_NOT_VALID = (ValueError, RecursionError)


def handlers(service: Service) -> dict[str, Handler]:
    """The handler of each path. One may raise what `errors.answer` has no answer to."""
    return {
        f"{PREFIX}/routing": partial(_routing, service),
        f"{PREFIX}/cdr": partial(_cdr, service),
        f"{PREFIX}/cdrs": partial(_cdrs, service),
    }


def _routing(service: Service, body: bytes) -> Reply | None:
    try:
        request = RoutingRequest.model_validate_json(body)
    except ValidationError:
        return None
    try:
        return lookup.answer(service, request)
    except Exception as error:
        return errors.answer(error)


def _cdr(service: Service, body: bytes) -> Coroutine[Any, Any, Reply] | None:
    try:
        request = CdrRequest.model_validate(json.loads(body))
    except _NOT_VALID:
        return None

    async def reply() -> Reply:
        try:
            kept = await intake.keep(service, request)
        except Exception as error:
            return errors.answer(error)
        return kept.model_dump_json(exclude_unset=True).encode()

    return reply()


def _cdrs(service: Service, body: bytes) -> Coroutine[Any, Any, Reply] | None:
    try:
        bodies = _RECORDS.validate_python(json.loads(body))
    except _NOT_VALID:
        return None

    async def reply() -> Reply:
        try:
            return to_json(await intake.keep_all(service, bodies))
        except Exception as error:
            return errors.answer(error)

    return reply()
