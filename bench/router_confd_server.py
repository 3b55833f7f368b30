"""router-confd's internal listener with one more path, `/floor`, which answers a constant.

Everything below the decision (event loop, HTTP parser, middlewares, reading the body) is the same
for both, so the floor is what the decision can at best cost nothing on top of.
"""

from __future__ import annotations

import asyncio

import uvloop
from fastapi import Request, Response

from router_confd import internal_api, migrate, server, service
from router_confd.config import load_secrets, load_settings

CONSTANT = b'{"auth":null,"rtjson":{"success":false,"padding":"' + b"x" * 560 + b'"}}'


async def _floor(request: Request) -> Response:
    await request.body()
    return Response(CONSTANT, media_type="application/json")


async def main() -> None:
    settings = load_settings()
    parts = service.build(settings, load_secrets(settings.secrets_file))
    await migrate.upgrade(parts.database)
    app = internal_api.app(parts)
    app.router.add_api_route(
        "/floor", _floor, methods=["POST"], route_class_override=internal_api.DirectRoute
    )
    follower = asyncio.create_task(parts.sync.run())
    await server.listener(app, settings.kamailio_listen).serve()
    follower.cancel()


if __name__ == "__main__":
    uvloop.run(main())
