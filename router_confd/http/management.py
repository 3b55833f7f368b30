"""The management listener: all resources, for authenticated users only."""

from __future__ import annotations

from fastapi import FastAPI, HTTPException, Request
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import JSONResponse, PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from router_confd.auth.login import Login
from router_confd.container import Service
from router_confd.http import errors, status
from router_confd.http.resource_router import make_router
from router_confd.resources.catalogue import RESOURCES

OPENAPI = "/api/v1/openapi.json"
PUBLIC = ("/status", OPENAPI)


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
        result.include_router(make_router(service, resource))
    result.add_middleware(_Authenticated, login=Login(service))
    # No browser adds these credentials, which are headers, by itself: any origin may ask.
    result.add_middleware(
        CORSMiddleware,
        allow_origin_regex=".*",
        allow_methods=["*"],
        allow_headers=["*"],
        allow_credentials=True,
    )
    return result


class _Authenticated:
    """ASGI middleware: who is not authenticated reaches nothing, not even a parser or a 404."""

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
