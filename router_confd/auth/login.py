"""Authentication of the management API, by a static key or a token of wazo-auth."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING
from uuid import UUID

from fastapi import Request

from router_confd.auth.tenancy import Principal
from router_confd.container import Service
from router_confd.http.errors import INVALID_TOKEN, Unauthorized

if TYPE_CHECKING:
    from router_confd.auth.wazo import WazoAuth


class Login:
    """Authenticates the clients of the management API."""

    def __init__(self, service: Service) -> None:
        self._key = service.secrets.api_key.get_secret_value().encode()
        self._wazo: WazoAuth | None = None
        if service.settings.wazo_auth_url:
            # Imported here, because its HTTP client costs memory that only wazo-auth needs.
            from router_confd.auth.wazo import WazoAuth

            self._wazo = WazoAuth(service.settings)

    async def __call__(self, request: Request) -> Principal | None:
        """The principal behind a request; None is the operator. Raises Unauthorized."""
        key = request.headers.get("X-API-Key")
        if key is not None:
            if hmac.compare_digest(key.encode(), self._key):
                return None
            raise Unauthorized("The provided API key is not valid")
        if self._wazo is None:
            raise Unauthorized("Missing X-API-Key header")
        token = request.headers.get("X-Auth-Token")
        if not token:
            raise Unauthorized("Missing X-Auth-Token header")
        return _selected(await self._wazo.principal(token), request.headers.get("Wazo-Tenant"))


def _selected(principal: Principal, tenant: str | None) -> Principal:
    if not tenant:
        return principal
    try:
        uuid = UUID(tenant)
    except ValueError:
        raise Unauthorized(INVALID_TOKEN) from None
    if uuid not in principal.tenant_uuids:
        raise Unauthorized(INVALID_TOKEN)
    return Principal(uuid, frozenset({uuid}))
