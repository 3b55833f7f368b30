"""router-confd's internal listener with one more path, `/floor`, which answers a constant.

Everything below the decision (event loop, HTTP parser, reading the body, the way past FastAPI) is
the same for both, so the floor is what the decision can at best cost nothing on top of.
"""

from __future__ import annotations

import asyncio

import uvloop

from router_confd import internal_api, migrate, server, service
from router_confd.config import load_secrets, load_settings
from router_confd.fast_lane import FastLane

CONSTANT = b'{"auth":null,"rtjson":{"success":false,"padding":"' + b"x" * 560 + b'"}}'


async def main() -> None:
    settings = load_settings()
    parts = service.build(settings, load_secrets(settings.secrets_file))
    await migrate.upgrade(parts.database)
    app = internal_api.fast(internal_api.app(parts), parts)
    app = FastLane(app, "/floor", lambda _: CONSTANT)
    follower = asyncio.create_task(parts.sync.run())
    await server.listener(app, settings.kamailio_listen).serve()
    follower.cancel()


if __name__ == "__main__":
    uvloop.run(main())
