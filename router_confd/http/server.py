"""Runs the two listeners and the background tasks until SIGTERM or SIGINT."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from collections.abc import Iterator, Mapping
from functools import partial

import uvicorn
from fastapi import FastAPI

from router_confd.config import Listen
from router_confd.container import Service
from router_confd.database import migrate
from router_confd.http import internal, management
from router_confd.http.fast_path import Answer, QuickHttp

GRACE = 5  # seconds for requests under way at the end
KEEP_ALIVE = 65  # seconds; longer than Kamailio keeps an idle connection

log = logging.getLogger(__name__)


class _Listener(uvicorn.Server):
    """One of two servers in a process: signals are handled once, by `run`."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def listener(
    app: FastAPI, listen: Listen, answers: Mapping[str, Answer], **tls: str
) -> uvicorn.Server:
    """A server for `app`, not yet started; what `answers` take does not reach the application."""
    return _Listener(
        uvicorn.Config(
            app,
            host=listen.host,
            port=listen.port,
            loop="uvloop",
            http=partial(QuickHttp, answers),  # type: ignore[arg-type]
            ws="none",
            lifespan="off",
            access_log=False,
            log_config=None,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=KEEP_ALIVE,
            timeout_graceful_shutdown=GRACE,
            backlog=1024,
            **tls,  # type: ignore[arg-type]
        )
    )


async def run(service: Service) -> None:
    """Serve until told to stop. Raises what made a part fail."""
    settings = service.settings
    tls = {}
    if settings.api_tls_cert and settings.api_tls_key:
        tls["ssl_certfile"] = str(settings.api_tls_cert)
        tls["ssl_keyfile"] = str(settings.api_tls_key)
    servers = [
        listener(internal.app(service), settings.kamailio_listen, internal.answers(service)),
        listener(management.app(service), settings.api_listen, {}, **tls),
    ]
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _stop, servers)
    work = [asyncio.create_task(_prepare_and_follow(service))]
    work.append(asyncio.create_task(service.cdrs.deliver_forever()))
    listening = [asyncio.create_task(_serve(server)) for server in servers]
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


async def _serve(server: uvicorn.Server) -> None:
    try:
        await server.serve()
    except SystemExit:  # uvicorn's way to say that it cannot bind; it has logged why
        raise OSError(f"cannot listen on {server.config.host}:{server.config.port}") from None


async def _first_failure(
    tasks: list[asyncio.Task[None]], listening: list[asyncio.Task[None]]
) -> None:
    """Return when the listeners have ended; raise when anything fails."""
    while not all(task.done() for task in listening):
        done, _ = await asyncio.wait(
            [task for task in tasks if not task.done()], return_when=asyncio.FIRST_COMPLETED
        )
        for task in done:
            task.result()


def _stop(servers: list[uvicorn.Server]) -> None:
    for server in servers:
        server.should_exit = True
