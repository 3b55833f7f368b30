"""Decides who may see which rows, for every query of the management API."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

from fastapi import HTTPException
from sqlalchemy import Select, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from router_confd.database.models import Base, Owned, Tenant

M = TypeVar("M", bound=Base)


@dataclass(frozen=True)
class Principal:
    """The user behind a token. None in its place means the operator, who sees everything."""

    tenant_uuid: UUID
    tenant_uuids: frozenset[UUID]


def owner_column(model: type[Base]) -> Any:
    """The column that holds the tenant of a row."""
    return Tenant.uuid if model is Tenant else model.__table__.c.tenant_uuid


def visible(statement: Select[M], model: type[M], who: Principal | None) -> Select[M]:
    """Limit a query to the rows that `who` may read or change."""
    if who is None:
        return statement
    return statement.where(owner_column(model).in_(who.tenant_uuids))


def listed(statement: Select[M], model: type[M], who: Principal | None) -> Select[M]:
    """Limit a query to the rows of the tenant that `who` has chosen."""
    if who is None:
        return statement
    return statement.where(owner_column(model) == who.tenant_uuid)


def owner_of_new(requested: UUID | None, who: Principal | None) -> UUID:
    """The tenant of a new row. Raises HTTPException: 400 if it is missing, 403 if not allowed."""
    if who is None:
        if requested is None:
            item = {
                "loc": ["body", "tenant_uuid"],
                "msg": "field required",
                "type": "value_error.missing",
            }
            raise HTTPException(400, json.dumps({"detail": [item]}))
        return requested
    if requested is not None and requested != who.tenant_uuid:
        raise HTTPException(403, f"Token not valid for tenant_uuid {requested}")
    return who.tenant_uuid


async def ensure_tenant(session: AsyncSession, uuid: UUID) -> None:
    """Create the tenant, named by its uuid, unless it exists."""
    await session.execute(insert(Tenant).values(uuid=uuid, name=str(uuid)).on_conflict_do_nothing())


async def find(
    session: AsyncSession, model: type[M], key: Any, who: Principal | None, *, lock: bool = False
) -> M | None:
    """The row with this primary key; None if it does not exist or is not visible to `who`."""
    column = Tenant.uuid if model is Tenant else model.__table__.c.id
    statement = visible(select(model).where(column == key), model, who)
    if lock:
        statement = statement.with_for_update()
    return (await session.scalars(statement)).one_or_none()


def belongs(row: Owned | None, tenant: UUID) -> bool:
    """True if the row exists and belongs to this tenant."""
    return row is not None and row.tenant_uuid == tenant
