"""router-confd's internal listener with two additional paths that answer with a constant.

`/floor` is a route of the same application that reads the request itself. `/bare` takes the fast
path, as a routing request does, so that only the HTTP server is below it.
"""

from __future__ import annotations

import asyncio

import uvloop
from fastapi import Request, Response

from router_confd import container
from router_confd.config import load_secrets, load_settings
from router_confd.database import migrate
from router_confd.http import fast_path, internal, uvicorn_adapter
from router_confd.http.fast_path import Handler

CONSTANT = b'{"auth":null,"rtjson":{"success":false,"padding":"' + b"x" * 560 + b'"}}'


async def _floor(request: Request) -> Response:
    await request.body()
    return Response(CONSTANT, media_type="application/json")


async def main() -> None:
    settings = load_settings()
    parts = container.build(settings, load_secrets(settings.secrets_file))
    await migrate.upgrade(parts.database)
    app = internal.app(parts)
    app.router.add_route("/floor", _floor, methods=["POST"])
    handlers: dict[str, Handler] = {**fast_path.handlers(parts), "/bare": lambda _: CONSTANT}
    follower = asyncio.create_task(parts.sync.run())
    await uvicorn_adapter.listener(app, settings.kamailio_listen, handlers).serve()
    follower.cancel()


if __name__ == "__main__":
    uvloop.run(main())
