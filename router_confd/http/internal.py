"""The internal listener: what Kamailio and Consul ask. No token; never open it to outsiders."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Container, Coroutine
from functools import partial
from typing import Any
from uuid import UUID

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import PlainTextResponse
from fastapi.routing import APIRoute
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import to_json

from router_confd.auth.kamailio import authenticate, authenticate_with_password
from router_confd.cdr.store import Incomplete
from router_confd.cdr.table import Refused
from router_confd.container import Service
from router_confd.http import errors, metrics
from router_confd.http.fast_path import Answer, Reply
from router_confd.resources.schemas.kamailio import (
    AuthReply,
    AuthRequest,
    Cdr,
    CdrReply,
    CdrRequest,
    DbText,
    KeptRecord,
    RoutingReply,
    RoutingRequest,
)
from router_confd.routing import limits
from router_confd.routing import registrations as uacreg
from router_confd.routing import route as routing
from router_confd.routing.trusted_sources import Sources, sources

PREFIX = "/1.0/kamailio"
_LIST = TypeAdapter(list[dict[str, Any]])


def app(service: Service) -> FastAPI:
    """Everything on the internal listener."""
    result = FastAPI(
        title="wazo-router-confd, Kamailio endpoints",
        openapi_url="/api/v1/openapi.json",
        max_body_size=errors.MAX_BODY,
        docs_url=None,
        redoc_url=None,
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    errors.install(result)
    _routing(result, service)
    result.include_router(_others(service))
    result.include_router(status_router(service))

    @result.get("/metrics", response_class=PlainTextResponse, include_in_schema=False)
    async def prometheus() -> Response:
        return metrics.response(service)

    return result


def status_router(service: Service) -> APIRouter:
    """`GET /status`, on both listeners."""
    router = APIRouter(responses=errors.documented(503))

    @router.get("/status", status_code=204, response_class=Response)
    async def status() -> Response:
        """204 while routing questions are answered, else 503."""
        service.sync.directory()
        return Response(status_code=204)

    return router


def answers(service: Service) -> dict[str, Answer]:
    """The short way for routing questions and call records."""
    return {
        f"{PREFIX}/routing": partial(_quick_answer, service),
        f"{PREFIX}/cdr": partial(_quick_record, service),
        f"{PREFIX}/cdrs": partial(_quick_records, service),
    }


def _quick_answer(service: Service, question: bytes) -> bytes | None:
    try:
        return _answer(service, question)
    except Exception:  # the application will meet it again, and has the words for it
        return None


def _quick_record(service: Service, body: bytes) -> Coroutine[Any, Any, Reply] | None:
    try:
        return _confirm(service, CdrRequest.model_validate(json.loads(body)))  # as FastAPI does
    except Exception:
        return None


async def _confirm(service: Service, request: CdrRequest) -> Reply:
    try:  # Once: an attempt takes long when the database is away.
        return (await _keep(service, request)).model_dump_json(exclude_unset=True).encode()
    except Exception as error:
        return await errors.answer(error)


def _quick_records(service: Service, body: bytes) -> Coroutine[Any, Any, Reply] | None:
    try:
        return _confirm_all(service, _LIST.validate_python(json.loads(body)))
    except Exception:
        return None


async def _confirm_all(service: Service, bodies: list[dict[str, Any]]) -> Reply:
    try:
        return to_json(await _keep_all(service, bodies))
    except Exception as error:
        return await errors.answer(error)


def _answer(service: Service, question: bytes) -> bytes:
    """Where a call goes, as JSON. Raises ValidationError, Stale."""
    body = RoutingRequest.model_validate_json(question)
    started = time.perf_counter()
    directory = service.sync.directory()
    auth = authenticate(directory, service.vault, body) if body.auth else None
    rtjson = routing.route(directory, service.vault, body, auth)
    metrics.routing_seconds.observe(time.perf_counter() - started)
    metrics.routed[_outcome(auth, rtjson)].inc()
    reply: dict[str, Any] = {"auth": auth, "rtjson": rtjson}
    if body.request_uri and auth is not None and auth.success:  # opt-in
        reply["limits"] = limits.of_source(directory, auth)
    return to_json(reply)


async def _keep(service: Service, request: CdrRequest) -> CdrReply:
    """Raises errors.Invalid, Stale, and what CdrStore.take raises."""
    tenant = _tenant(service.sync.directory().tenants, request)
    if tenant is None:
        return _reply(request, None)
    try:
        await service.cdrs.take(request, tenant)
    except Incomplete as error:
        raise errors.Invalid(str(error), "field required", "value_error.missing") from None
    values = {name: getattr(request, name) for name in Cdr.model_fields}
    return _reply(request, Cdr.model_construct(**values | {"tenant_uuid": tenant}))


async def _keep_all(service: Service, bodies: list[dict[str, Any]]) -> list[KeptRecord]:
    """What is neither safe nor refused is left out: it has to come again. Raises Stale."""
    tenants = service.sync.directory().tenants
    replies = []
    waiting: list[tuple[KeptRecord, asyncio.Future[None]]] = []
    for body in bodies:
        key = body.get("idempotency_key")
        reply = KeptRecord(success=False, idempotency_key=key if isinstance(key, str) else None)
        try:
            request = CdrRequest.model_validate(body)
            if (tenant := _tenant(tenants, request)) is not None:
                waiting.append((reply, service.cdrs.take(request, tenant)))
                continue
        except (ValidationError, Incomplete):
            pass
        replies.append(reply)
    for reply, kept in waiting:
        try:
            await kept
            reply.success = True
        except Refused:
            pass
        except Exception:  # noqa: S112 - not safe: it has to come again
            continue
        replies.append(reply)
    return replies


def _tenant(tenants: Container[str], request: CdrRequest) -> str | None:
    """The tenant that the record is of, if it is known."""
    if (tenant := request.tenant_uuid or "") in tenants:
        return tenant
    return tenant if (tenant := _uuid(tenant)) in tenants else None


def _reply(request: CdrRequest, cdr: Cdr | None) -> CdrReply:
    """Whoever sent a key hears it again: one with many records under way needs it."""
    reply = CdrReply(success=cdr is not None, cdr=cdr)
    if request.idempotency_key is not None:
        reply.idempotency_key = request.idempotency_key
    return reply


def _routing(app: FastAPI, service: Service) -> None:
    async def route(request: Request) -> Response:
        """Where a call goes."""
        try:
            reply = _answer(service, await request.body())
        except ValidationError as error:
            raise RequestValidationError(errors.in_body(error)) from None
        return Response(reply, media_type="application/json")

    # Before the others, and not by a router of its own, which would be searched each time.
    app.router.add_api_route(
        f"{PREFIX}/routing",
        route,
        methods=["POST"],
        response_model=RoutingReply,
        openapi_extra=_body(RoutingRequest),
        route_class_override=DirectRoute,
        tags=["kamailio"],
        responses=errors.documented(413, 422, 503),
    )


def _others(service: Service) -> APIRouter:
    router = APIRouter(prefix=PREFIX, tags=["kamailio"], responses=errors.documented(413, 503))

    @router.post("/auth")
    async def authentication(body: AuthRequest) -> AuthReply:
        """Who sends a call."""
        return await authenticate_with_password(service.sync.directory(), service.vault, body)

    @router.post("/cdr", response_model_exclude_unset=True)
    async def cdr(body: CdrRequest) -> CdrReply:
        """Keep a call record; it is safe once this is answered."""
        return await _keep(service, body)

    @router.post("/cdrs")
    async def cdrs(body: list[dict[str, Any]]) -> list[KeptRecord]:
        """Keep call records, each as for `/cdr`, with an idempotency_key; one refused does not
        keep back the others."""
        return await _keep_all(service, body)

    @router.get("/dbtext/uacreg")
    async def registrations() -> DbText:
        """Kamailio's uacreg table: registrations at carriers."""
        return DbText(content=uacreg.table(service.sync.directory(), service.vault))

    @router.get("/sources")
    async def trusted() -> Sources:
        """Addresses of all trunks and PBXs, with their limits."""
        return sources(service.sync.directory())

    return router


class DirectRoute(APIRoute):
    """Leaves the request to the endpoint: half the cost of FastAPI's own handling.

    The types given to the route are its documentation.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        endpoint: Callable[[Request], Coroutine[Any, Any, Response]] = self.endpoint
        return endpoint


def _body(model: type[BaseModel]) -> dict[str, Any]:
    """The OpenAPI description of a JSON body."""
    content = {"application/json": {"schema": model.model_json_schema()}}
    return {"requestBody": {"required": True, "content": content}}


def _outcome(auth: AuthReply | None, rtjson: dict[str, Any]) -> str:
    if auth is not None and not auth.success:
        return "refused"
    return "routed" if rtjson["success"] else "unknown"


def _uuid(text: str) -> str:
    try:
        return str(UUID(text))
    except ValueError:
        return ""
