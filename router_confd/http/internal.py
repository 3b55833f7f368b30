"""The internal listener: Kamailio, Consul, Prometheus and the agents ask it, without a token."""

from __future__ import annotations

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import PlainTextResponse
from pydantic import ValidationError

from router_confd.auth.kamailio import authenticate_with_password
from router_confd.cdr import intake
from router_confd.container import Service
from router_confd.http import errors, metrics, openapi, status
from router_confd.resources.schemas.kamailio import (
    AuthReply,
    AuthRequest,
    CdrReply,
    CdrRequest,
    DbText,
    KeptRecord,
    RoutingReply,
    RoutingRequest,
)
from router_confd.routing import lookup
from router_confd.routing import registrations as uacreg
from router_confd.routing.trusted_sources import Sources, sources

PREFIX = "/1.0/kamailio"


def app(service: Service) -> FastAPI:
    """Everything on the internal listener. Never let anybody outside the tenant's tiers reach it:
    it hands out credentials."""
    result = FastAPI(
        title="wazo-router-confd, Kamailio endpoints",
        openapi_url="/api/v1/openapi.json",
        max_body_size=errors.MAX_BODY,
        docs_url=None,
        redoc_url=None,
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    errors.install(result)
    result.include_router(_kamailio(service))
    result.include_router(status.router(service))

    @result.get("/metrics", response_class=PlainTextResponse, include_in_schema=False)
    async def prometheus() -> Response:
        return metrics.response(service)

    return result


def _kamailio(service: Service) -> APIRouter:
    """The endpoints below `PREFIX`. Their docstrings are part of the OpenAPI document."""
    router = APIRouter(prefix=PREFIX, tags=["kamailio"])
    usual = openapi.responses(413, 503)

    @router.post(
        "/routing",
        response_model=RoutingReply,
        openapi_extra=openapi.body(RoutingRequest),
        responses=openapi.responses(413, 422, 503),
    )
    async def route(request: Request) -> Response:
        """Where a call goes."""
        try:
            body = RoutingRequest.model_validate_json(await request.body())
        except ValidationError as error:
            raise RequestValidationError(errors.in_body(error)) from None
        return Response(lookup.answer(service, body), media_type="application/json")

    @router.post("/auth", responses=usual)
    async def authentication(body: AuthRequest) -> AuthReply:
        """Who sends a call."""
        return await authenticate_with_password(service.sync.directory(), service.vault, body)

    @router.post("/cdr", response_model_exclude_unset=True, responses=usual)
    async def cdr(body: CdrRequest) -> CdrReply:
        """Keep a call record; it is safe once this is answered."""
        return await intake.keep(service, body)

    @router.post("/cdrs", responses=usual)
    async def cdrs(body: list[intake.Body]) -> list[KeptRecord]:
        """Keep call records, each as for `/cdr`, with an idempotency_key; one refused does not
        keep back the others."""
        return await intake.keep_all(service, body)

    @router.get("/dbtext/uacreg", responses=usual)
    async def registrations() -> DbText:
        """Kamailio's uacreg table: registrations at carriers."""
        return DbText(content=uacreg.table(service.sync.directory(), service.vault))

    @router.get("/sources", responses=usual)
    async def trusted() -> Sources:
        """Addresses of all trunks and PBXs, with their limits."""
        return sources(service.sync.directory())

    return router
