"""Client of wazo-auth, which says whose a token is. Answers are cached for a short time."""

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

TOKEN_TTL = 10.0  # seconds for which a revoked token may still work
TOKEN_CACHE = 1024  # entries
TIMEOUT = 3.0  # seconds per request

log = logging.getLogger(__name__)


class WazoAuth:
    """Asks wazo-auth about a token at most once in TOKEN_TTL."""

    def __init__(self, settings: Settings) -> None:
        ca = settings.wazo_auth_ca
        self._client = httpx.AsyncClient(
            base_url=str(settings.wazo_auth_url).rstrip("/") + "/",
            timeout=TIMEOUT,
            verify=ssl.create_default_context(cafile=ca) if ca else True,
            follow_redirects=False,
        )
        # By token: the monotonic time at which the entry expires, and the user.
        self._cache: dict[str, tuple[float, Principal]] = {}

    async def principal(self, token: str) -> Principal:
        """The user behind the token. Raises Unauthorized; HTTPException 503 without an answer."""
        now = time.monotonic()
        cached = self._cache.get(token)
        if cached is not None and cached[0] > now:
            return cached[1]
        try:
            principal = await self._ask(token)
        except httpx.HTTPError as error:
            log.warning("wazo-auth is not available: %s", type(error).__name__)
            raise HTTPException(503, "wazo-auth not available") from None
        if len(self._cache) >= TOKEN_CACHE:
            self._cache.clear()
        self._cache[token] = (now + TOKEN_TTL, principal)
        return principal

    async def _ask(self, token: str) -> Principal:
        # Tokens are uuids. Other characters could change the path of the request.
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
