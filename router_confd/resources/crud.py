"""Create, read, list, update, patch and delete rows of any resource, within tenants."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Generic
from uuid import UUID, uuid4

from fastapi import HTTPException
from pydantic import ValidationError
from sqlalchemy import func, inspect, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from router_confd.auth import tenancy
from router_confd.auth.tenancy import Principal
from router_confd.container import Service
from router_confd.database.models import Owned, Tenant
from router_confd.directory.sync import CHANNEL, SYNC
from router_confd.http.errors import Duplicate, Invalid, in_body, validation_items
from router_confd.resources.catalogue import C, M, R, Resource, U
from router_confd.resources.write_hooks import Change, Values

Key = int | UUID

_KEY = re.compile(r"Key \((?:.*, )?\"?(\w+)\"?\)=")


class Operations(Generic[M, C, U, R]):
    """The six operations of one resource. `who` is the client; None is the operator."""

    def __init__(self, service: Service, resource: Resource[M, C, U, R]) -> None:
        self._service = service
        self._resource = resource
        self._model = resource.model

    async def create(self, body: C, who: Principal | None) -> M | None:
        """The new row; None when the row that it depends on does not exist."""
        resource = self._resource
        values = body.model_dump()
        async with self._writing() as session:
            if self._model is Tenant:
                if who is not None and values["uuid"] not in who.tenant_uuids:
                    tenancy.owner_of_new(values["uuid"], who)
            elif resource.parent is not None:
                column, model = resource.parent
                parent = await tenancy.find(session, model, values[column], who)
                if parent is None:
                    return None
                values["tenant_uuid"] = parent.tenant_uuid
            else:
                owner = tenancy.owner_of_new(values["tenant_uuid"], who)
                await tenancy.ensure_tenant(session, owner)
                values["tenant_uuid"] = owner
            await self._refuse_duplicate(session, values, who)
            change: Change[M] = Change(session, self._service.vault, None, values)
            await resource.prepare(change)
            if resource.path == "cdrs":
                values["idempotency_key"] = uuid4()
            row = self._model(**values)
            session.add(row)
            await session.flush()
            return row

    async def read(self, key: Key, who: Principal | None) -> M:
        async with self._service.database.session() as session:
            return await self._find(session, key, who)

    async def list(self, offset: int, limit: int, who: Principal | None) -> Sequence[M]:
        """Rows in the order of their primary key."""
        order = inspect(self._model).primary_key
        statement = tenancy.listed(select(self._model), self._model, who)
        statement = statement.order_by(*order).offset(offset).limit(limit)
        async with self._service.database.session() as session:
            return (await session.execute(statement)).scalars().all()

    async def update(self, key: Key, body: U, who: Principal | None) -> M:
        """PUT: a field that is absent or null keeps its value."""
        drop_falsy = self._resource.keeps_falsy
        values = {
            name: value
            for name, value in body.model_dump(exclude_unset=True).items()
            if value is not None and not (drop_falsy and not value)
        }
        async with self._writing() as session:
            row = await self._find(session, key, who, lock=True)
            await self._change(session, row, values, who)
            return row

    async def patch(self, key: Key, changes: Values, who: Principal | None) -> M:
        """PATCH (RFC 7396): a field that is absent keeps its value, and null clears it."""
        update = self._resource.update
        async with self._writing() as session:
            row = await self._find(session, key, who, lock=True)
            required = {
                name: getattr(row, name)
                for name, info in update.model_fields.items()
                if info.is_required()
            }
            try:
                body = update.model_validate(required | changes)
            except ValidationError as error:
                raise HTTPException(422, validation_items(in_body(error))) from None
            values = {k: v for k, v in body.model_dump().items() if k in changes}
            for name, value in values.items():
                if value is None and not self._model.__table__.c[name].nullable:
                    raise Invalid(name, "must not be null")
            await self._change(session, row, values, who)
            return row

    async def delete(self, key: Key, who: Principal | None) -> M:
        """Delete the row. Returns it as it was."""
        async with self._writing() as session:
            row = await self._find(session, key, who, lock=True)
            await session.delete(row)
            return row

    async def _change(
        self, session: AsyncSession, row: M, values: Values, who: Principal | None
    ) -> None:
        parent = self._resource.parent
        if parent is not None and parent[0] in values:
            found = await tenancy.find(session, parent[1], values[parent[0]], who)
            if found is None:
                raise Invalid(parent[0], "does not exist")
            values["tenant_uuid"] = found.tenant_uuid
        elif (
            isinstance(row, Owned) and values.get("tenant_uuid", row.tenant_uuid) != row.tenant_uuid
        ):
            if who is not None and values["tenant_uuid"] not in who.tenant_uuids:
                tenancy.owner_of_new(values["tenant_uuid"], who)
            await tenancy.ensure_tenant(session, values["tenant_uuid"])
        await self._resource.prepare(Change(session, self._service.vault, row, values))
        for name, value in values.items():
            setattr(row, name, value)
        await session.flush()

    async def _find(
        self, session: AsyncSession, key: Key, who: Principal | None, *, lock: bool = False
    ) -> M:
        row = await tenancy.find(session, self._model, key, who, lock=lock)
        if row is None:
            raise HTTPException(404, f"{self._resource.name} not found")
        return row

    async def _refuse_duplicate(
        self, session: AsyncSession, values: Values, who: Principal | None
    ) -> None:
        column = self._resource.unique
        if column is None or values[column] is None:
            return
        same = select(self._model).where(getattr(self._model, column) == values[column]).limit(1)
        same = tenancy.visible(same, self._model, who)
        if (await session.execute(same)).first() is not None:
            raise Duplicate(self._resource.name, self._resource.unique_label or column)

    @asynccontextmanager
    async def _writing(self) -> AsyncIterator[AsyncSession]:
        """A transaction. It ends when the change is in force on this instance, or 1 s later."""
        sync, token = self._service.sync, uuid4().hex
        sync.expect(token)
        try:
            async with self._service.database.session() as session:
                yield session
                await session.execute(select(func.pg_notify(CHANNEL, f"{SYNC} {token}")))
            if sync.connected:
                await sync.arrival(token)
        except IntegrityError as error:
            raise _explained(error, self._resource.name) from error
        finally:
            sync.forget(token)


def _explained(error: IntegrityError, name: str) -> Exception:
    """The answer to the client when the database refuses a change."""
    cause: Any = error.orig.__cause__ if error.orig else None
    match = _KEY.search(getattr(cause, "detail", None) or "")
    column = match[1] if match else "id"
    if getattr(cause, "sqlstate", "") == "23505":  # unique_violation
        return Duplicate(name, column)
    return Invalid(column, "refers to a row that does not exist or belongs to another tenant")
