"""Runs the two listeners and the background tasks until SIGTERM or SIGINT."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal

from router_confd.container import Service
from router_confd.database import migrate
from router_confd.http import fast_path, internal, management
from router_confd.http.uvicorn_adapter import GRACE, Listener, listener, serve

log = logging.getLogger(__name__)


async def run(service: Service) -> None:
    """Serve until a signal stops the service. Raises the exception of the part that failed."""
    settings = service.settings
    tls = {}
    if settings.api_tls_cert and settings.api_tls_key:
        tls["ssl_certfile"] = str(settings.api_tls_cert)
        tls["ssl_keyfile"] = str(settings.api_tls_key)
    servers = [
        listener(internal.app(service), settings.kamailio_listen, fast_path.handlers(service)),
        listener(management.app(service), settings.api_listen, {}, **tls),
    ]
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _stop, servers)
    work = [asyncio.create_task(_prepare_and_follow(service))]
    work.append(asyncio.create_task(service.cdrs.deliver_forever()))
    listening = [asyncio.create_task(serve(server)) for server in servers]
    try:
        await _first_failure([*work, *listening], listening)
    finally:
        _stop(servers)
        await asyncio.gather(*listening, return_exceptions=True)
        for task in work:
            task.cancel()
        await asyncio.gather(*work, return_exceptions=True)
        with contextlib.suppress(Exception):
            async with asyncio.timeout(GRACE):
                await service.cdrs.deliver()
        service.cdrs.close()
        await service.database.close()


async def _prepare_and_follow(service: Service) -> None:
    await migrate.upgrade(service.database)
    await service.sync.run()


async def _first_failure(
    tasks: list[asyncio.Task[None]], listening: list[asyncio.Task[None]]
) -> None:
    """Return when both listeners have stopped. Raises the first exception of any task."""
    while not all(task.done() for task in listening):
        done, _ = await asyncio.wait(
            [task for task in tasks if not task.done()], return_when=asyncio.FIRST_COMPLETED
        )
        for task in done:
            task.result()


def _stop(servers: list[Listener]) -> None:
    for server in servers:
        server.should_exit = True
