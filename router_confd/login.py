"""Authentication of the management API: a static key, or a wazo-auth token."""

from __future__ import annotations

import hmac
import logging
import ssl
import time
from uuid import UUID

import httpx
from fastapi import HTTPException, Request

from router_confd.errors import Unauthorized
from router_confd.service import Service
from router_confd.tenancy import Principal

TOKEN_TTL = 10.0  # seconds; bounds how long a revoked token still works
TOKEN_CACHE = 1024  # entries
TIMEOUT = 3.0  # seconds per question to wazo-auth
INVALID = "The provided token is not valid"

log = logging.getLogger(__name__)


class Login:
    """Finds out who sends a request."""

    def __init__(self, service: Service) -> None:
        self._key = service.secrets.api_key.get_secret_value().encode()
        self._wazo = WazoAuth(service) if service.settings.wazo_auth_url else None

    async def __call__(self, request: Request) -> Principal | None:
        """The principal, or None for the operator. Raises Unauthorized."""
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

    async def close(self) -> None:
        if self._wazo is not None:
            await self._wazo.close()


class WazoAuth:
    """Client of wazo-auth with a short memory."""

    def __init__(self, service: Service) -> None:
        ca = service.settings.wazo_auth_ca
        self._client = httpx.AsyncClient(
            base_url=str(service.settings.wazo_auth_url).rstrip("/") + "/",
            timeout=TIMEOUT,
            verify=ssl.create_default_context(cafile=ca) if ca else True,
            follow_redirects=False,
        )
        self._known: dict[str, tuple[float, Principal]] = {}

    async def principal(self, token: str) -> Principal:
        """Whose token this is. Raises Unauthorized; 503 when wazo-auth does not answer."""
        now = time.monotonic()
        known = self._known.get(token)
        if known is not None and known[0] > now:
            return known[1]
        try:
            principal = await self._ask(token)
        except httpx.HTTPError as error:
            log.warning("wazo-auth not available: %s", type(error).__name__)
            raise HTTPException(503, "wazo-auth not available") from None
        if len(self._known) >= TOKEN_CACHE:
            self._known.clear()
        self._known[token] = (now + TOKEN_TTL, principal)
        return principal

    async def _ask(self, token: str) -> Principal:
        # Tokens are uuids; anything else could climb out of the path.
        if not all(c.isalnum() or c in "-_" for c in token) or not token.isascii():
            raise Unauthorized(INVALID)
        headers = {"X-Auth-Token": token}
        answer = await self._client.get(f"token/{token}", headers=headers)
        if answer.status_code >= 500:
            answer.raise_for_status()
        if answer.status_code != 200:
            raise Unauthorized(INVALID)
        tenants = await self._client.get("tenants", headers=headers)
        tenants.raise_for_status()
        try:
            own = UUID(answer.json()["data"]["metadata"]["tenant_uuid"])
            others = frozenset(UUID(item["uuid"]) for item in tenants.json()["items"])
        except (ValueError, KeyError, TypeError):
            raise HTTPException(503, "wazo-auth gave no usable answer") from None
        return Principal(own, others | {own})

    async def close(self) -> None:
        await self._client.aclose()


def _selected(principal: Principal, tenant: str | None) -> Principal:
    if not tenant:
        return principal
    try:
        uuid = UUID(tenant)
    except ValueError:
        raise Unauthorized(INVALID) from None
    if uuid not in principal.tenant_uuids:
        raise Unauthorized(INVALID)
    return Principal(uuid, frozenset({uuid}))
