"""Client of wazo-auth: whose a token is, with a short memory."""

from __future__ import annotations

import logging
import ssl
import time
from uuid import UUID

import httpx
from fastapi import HTTPException

from router_confd.auth.tenancy import Principal
from router_confd.config import Settings
from router_confd.http.errors import INVALID_TOKEN, Unauthorized

TOKEN_TTL = 10.0  # seconds; bounds how long a revoked token still works
TOKEN_CACHE = 1024  # entries
TIMEOUT = 3.0  # seconds per question

log = logging.getLogger(__name__)


class WazoAuth:
    """Asks wazo-auth, at most once in TOKEN_TTL for the same token."""

    def __init__(self, settings: Settings) -> None:
        ca = settings.wazo_auth_ca
        self._client = httpx.AsyncClient(
            base_url=str(settings.wazo_auth_url).rstrip("/") + "/",
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
            raise Unauthorized(INVALID_TOKEN)
        headers = {"X-Auth-Token": token}
        answer = await self._client.get(f"token/{token}", headers=headers)
        if answer.status_code >= 500:
            answer.raise_for_status()
        if answer.status_code != 200:
            raise Unauthorized(INVALID_TOKEN)
        tenants = await self._client.get("tenants", headers=headers)
        tenants.raise_for_status()
        try:
            own = UUID(answer.json()["data"]["metadata"]["tenant_uuid"])
            others = frozenset(UUID(item["uuid"]) for item in tenants.json()["items"])
        except (ValueError, KeyError, TypeError):
            raise HTTPException(503, "wazo-auth gave no usable answer") from None
        return Principal(own, others | {own})
