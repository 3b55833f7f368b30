"""`GET /status`, on both listeners."""

from __future__ import annotations

from fastapi import APIRouter, Response

from router_confd.container import Service
from router_confd.http import openapi


def router(service: Service) -> APIRouter:
    """The endpoint that load balancers, Consul and people ask."""
    result = APIRouter(responses=openapi.responses(503))

    @result.get("/status", status_code=204, response_class=Response)
    async def status() -> Response:
        """204 while routing questions are answered, else 503."""
        service.sync.directory()
        return Response(status_code=204)

    return result
