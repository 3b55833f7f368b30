"""The six endpoints of one resource of the management API."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Sequence
from types import GenericAlias
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Body, Depends, Path, Query, Request
from pydantic import UUID4, create_model

from router_confd.auth.tenancy import Principal
from router_confd.container import Service
from router_confd.database.models import Tenant
from router_confd.http import openapi
from router_confd.resources.catalogue import C, M, R, Resource, U
from router_confd.resources.crud import Key, Operations
from router_confd.resources.schemas.base import Id

BIGINT_MAX = 2**63 - 1


def _authenticated(request: Request) -> Principal | None:
    """What the listener's authentication has found out."""
    who: Principal | None = request.state.who
    return who


Who = Annotated[Principal | None, Depends(_authenticated)]
Offset = Annotated[int, Query(ge=0, le=BIGINT_MAX)]
PageSize = Annotated[int, Query(ge=0, le=BIGINT_MAX)]
Changes = Annotated[dict[str, Any], Body(media_type="application/merge-patch+json")]
Endpoint = TypeVar("Endpoint", bound=Callable[..., Awaitable[object]])


def make_router(service: Service, resource: Resource[M, C, U, R]) -> APIRouter:
    """Create, list, read, update, patch and delete, below `/1.0/<path of the resource>`."""
    operations = Operations(service, resource)
    is_tenant = resource.model is Tenant
    key_name = "uuid" if is_tenant else "id"
    key_type: object = Annotated[UUID4 if is_tenant else Id, Path(alias=key_name)]

    async def create(who: Who, body: C) -> M | None:
        return await operations.create(body, who)

    async def read_all(
        who: Who, offset: Offset = 0, limit: PageSize = 100
    ) -> dict[str, Sequence[M]]:
        return {"items": await operations.list(offset, limit, who)}

    async def read(who: Who, key: Key) -> M:
        return await operations.read(key, who)

    async def update(who: Who, key: Key, body: U) -> M:
        return await operations.update(key, body, who)

    async def patch(who: Who, key: Key, changes: Changes) -> M:
        return await operations.patch(key, changes, who)

    async def delete(who: Who, key: Key) -> M:
        return await operations.delete(key, who)

    router = APIRouter(prefix=f"/1.0/{resource.path}", tags=[resource.path])

    def add(
        path: str, method: str, endpoint: Callable[..., Awaitable[object]],
        reply: object, statuses: Sequence[int],
    ) -> None:  # fmt: skip
        router.add_api_route(
            path,
            endpoint,
            methods=[method],
            response_model=reply,
            summary=f"{endpoint.__name__.replace('_', ' ').capitalize()}: {resource.name}",
            responses=openapi.responses(*statuses),
        )

    row = resource.read
    items: Any = GenericAlias(list, (row,))
    rows = create_model(f"{row.__name__}List", items=(items, ...))
    one = f"/{{{key_name}}}"
    creating = (400, 401, 403, 409, 413, 503)
    changing = (401, 403, 404, 409, 413, 503)
    # A row that depends on one which does not exist is not created, and the answer is null.
    created = row | None if resource.parent else row
    add("", "POST", _typed(create, body=resource.create), created, creating)
    add("", "GET", read_all, rows, (401, 503))
    add(one, "GET", _typed(read, key=key_type), row, (401, 404, 503))
    add(one, "PUT", _typed(update, key=key_type, body=resource.update), row, changing)
    add(one, "PATCH", _typed(patch, key=key_type), row, changing)
    add(one, "DELETE", _typed(delete, key=key_type), row, (401, 404, 503))
    return router


def _typed(endpoint: Endpoint, **types: object) -> Endpoint:
    """The endpoint with these types of parameters, by which FastAPI parses and documents.

    They differ by resource, and FastAPI does not resolve type variables.
    """
    signature = inspect.signature(endpoint)
    parameters = [
        parameter.replace(annotation=types.get(name, parameter.annotation))
        for name, parameter in signature.parameters.items()
    ]
    endpoint.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    return endpoint
