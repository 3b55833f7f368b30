"""The management listener: all resources, for authenticated users only."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, FastAPI, HTTPException, Path, Query, Request
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import JSONResponse, PlainTextResponse
from pydantic import UUID4, create_model
from starlette.types import ASGIApp, Receive, Scope, Send

from router_confd.auth.login import Login
from router_confd.container import Service
from router_confd.database.models import Tenant
from router_confd.http import errors, openapi, status
from router_confd.resources.catalogue import RESOURCES, Resource
from router_confd.resources.crud import Operations
from router_confd.resources.schemas.base import Id

OPENAPI = "/api/v1/openapi.json"
PUBLIC = ("/status", OPENAPI)
BIGINT_MAX = 2**63 - 1

Offset = Annotated[int, Query(ge=0, le=BIGINT_MAX)]
PageSize = Annotated[int, Query(ge=0, le=BIGINT_MAX)]
Changes = Annotated[dict[str, Any], Body(media_type="application/merge-patch+json")]


def app(service: Service) -> FastAPI:
    """Everything on the management listener."""
    result = FastAPI(
        title="wazo-router-confd",
        openapi_url=OPENAPI,
        max_body_size=errors.MAX_BODY,
        docs_url=None,
        redoc_url=None,
    )
    errors.install(result)
    result.include_router(status.router(service))
    for resource in RESOURCES:
        result.include_router(_router(service, resource))
    result.add_middleware(_Authenticated, login=Login(service))
    # Credentials here are headers that no browser adds by itself, so any origin may ask.
    result.add_middleware(
        CORSMiddleware,
        allow_origin_regex=".*",
        allow_methods=["*"],
        allow_headers=["*"],
        allow_credentials=True,
    )
    return result


class _Authenticated:
    """ASGI middleware: nobody gets past it unknown, not even to a parser or a 404."""

    def __init__(self, app: ASGIApp, login: Login) -> None:
        self._app = app
        self._login = login

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] not in PUBLIC:
            request = Request(scope)
            try:
                request.state.who = await self._login(request)
            except errors.Unauthorized as error:
                await PlainTextResponse(str(error), 401)(scope, receive, send)
                return
            except HTTPException as error:
                refusal = JSONResponse({"detail": error.detail}, error.status_code)
                await refusal(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _router(service: Service, resource: Resource) -> APIRouter:
    operations = Operations(service, resource)
    router = APIRouter(prefix=f"/1.0/{resource.path}", tags=[resource.path])
    is_tenant = resource.model is Tenant
    name = "uuid" if is_tenant else "id"
    key: Any = Annotated[UUID4 if is_tenant else Id, Path(alias=name)]
    items: Any = list[resource.read]  # type: ignore[name-defined]
    page = create_model(f"{resource.read.__name__}List", items=(items, ...))

    async def create(request: Request, body: Any) -> Any:
        return await operations.create(body, request.state.who)

    async def read_all(request: Request, offset: Offset = 0, limit: PageSize = 100) -> Any:
        return {"items": await operations.list(offset, limit, request.state.who)}

    async def read(request: Request, key: Any) -> Any:
        return await operations.read(key, request.state.who)

    async def update(request: Request, key: Any, body: Any) -> Any:
        return await operations.update(key, body, request.state.who)

    async def patch(request: Request, key: Any, changes: Changes) -> Any:
        return await operations.patch(key, changes, request.state.who)

    async def delete(request: Request, key: Any) -> Any:
        return await operations.delete(key, request.state.who)

    # The types differ by resource; FastAPI reads them when the routes are added below.
    for function in (read, update, patch, delete):
        function.__annotations__["key"] = key
    create.__annotations__["body"] = resource.create
    update.__annotations__["body"] = resource.update

    new = openapi.responses(400, 401, 403, 409, 413, 503)
    old = openapi.responses(401, 404, 503)
    changed = openapi.responses(401, 403, 404, 409, 413, 503)
    row = resource.read

    def add(path: str, call: Any, method: str, model: Any, answers: Any) -> None:
        summary = f"{call.__name__.replace('_', ' ').capitalize()}: {resource.name}"
        router.add_api_route(
            path, call, methods=[method], response_model=model, summary=summary, responses=answers
        )

    add("", create, "POST", row | None if resource.parent else row, new)
    add("", read_all, "GET", page, openapi.responses(401, 503))
    add(f"/{{{name}}}", read, "GET", row, old)
    add(f"/{{{name}}}", update, "PUT", row, changed)
    add(f"/{{{name}}}", patch, "PATCH", row, changed)
    add(f"/{{{name}}}", delete, "DELETE", row, old)
    return router
