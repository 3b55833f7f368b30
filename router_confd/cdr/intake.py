"""Takes call records from Kamailio: whose they are, and what the sender is told."""

from __future__ import annotations

import asyncio
from collections.abc import Container
from typing import Any, TypeAlias
from uuid import UUID

from pydantic import ValidationError

from router_confd.cdr.store import Incomplete
from router_confd.cdr.table import Refused
from router_confd.container import Service
from router_confd.resources.schemas.kamailio import Cdr, CdrReply, CdrRequest, KeptRecord

Body: TypeAlias = dict[str, Any]  # one record of a list, as it came: each is validated by itself


async def keep(service: Service, request: CdrRequest) -> CdrReply:
    """Keep one record; it is safe when this returns success.

    A record of an unknown tenant is refused: the reply says so. Raises Stale, and what
    `CdrStore.take` raises.
    """
    tenant = _tenant(service.sync.directory().tenants, request)
    if tenant is None:
        return _reply(request, None)
    await service.cdrs.take(request, tenant)
    values = {name: getattr(request, name) for name in Cdr.model_fields}
    return _reply(request, Cdr.model_construct(**values | {"tenant_uuid": tenant}))


async def keep_all(service: Service, bodies: list[Body]) -> list[KeptRecord]:
    """Keep many records: what became of each that is safe or refused. Raises Stale.

    A record that is neither is left out of the answer, and the sender has to send it again.
    """
    tenants = service.sync.directory().tenants
    replies = []
    waiting: list[tuple[KeptRecord, asyncio.Future[None]]] = []
    for body in bodies:
        key = body.get("idempotency_key")
        reply = KeptRecord(success=False, idempotency_key=key if isinstance(key, str) else None)
        try:
            request = CdrRequest.model_validate(body)
            if (tenant := _tenant(tenants, request)) is not None:
                waiting.append((reply, service.cdrs.take(request, tenant)))
                continue
        except (ValidationError, Incomplete):
            pass
        replies.append(reply)
    for reply, kept in waiting:
        try:
            await kept
            reply.success = True
        except Refused:
            pass
        except Exception:  # noqa: S112 - it is not safe, so the sender must send it again
            continue
        replies.append(reply)
    return replies


def _tenant(tenants: Container[str], request: CdrRequest) -> str | None:
    """The tenant of the record, in the spelling of the directory; None when it is unknown."""
    if (tenant := request.tenant_uuid or "") in tenants:
        return tenant
    return tenant if (tenant := _canonical(tenant)) in tenants else None


def _canonical(uuid: str) -> str:
    try:
        return str(UUID(uuid))
    except ValueError:
        return ""


def _reply(request: CdrRequest, cdr: Cdr | None) -> CdrReply:
    """The reply repeats the key, by which a sender with many open records tells them apart."""
    reply = CdrReply(success=cdr is not None, cdr=cdr)
    if request.idempotency_key is not None:
        reply.idempotency_key = request.idempotency_key
    return reply
