"""router-confd's management API, for the programs that run inside the local cloud."""

from __future__ import annotations

import ssl
import time
from typing import Any

import httpx
from pydantic import BaseModel

ATTEMPTS = 20  # about 20 s: the first start runs the database's migrations
PAGE = 1000


class Access(BaseModel):
    """Addresses and credentials of one tenant's router-confd."""

    urls: list[str]  # management API of each instance
    api_key: str
    ca_certificate: str  # PEM, of the authority that signs the API's certificates
    tenant_uuid: str
    tenant_name: str


class Api:
    """Client of the management API; it uses any instance that answers."""

    def __init__(self, access: Access) -> None:
        self._urls = access.urls
        self._client = httpx.Client(
            headers={"X-API-Key": access.api_key},
            verify=ssl.create_default_context(cadata=access.ca_certificate),
            timeout=5,
            trust_env=False,
        )

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """The JSON answer. Raises `RuntimeError` when no instance gives a usable one."""
        problem = ""
        for attempt in range(ATTEMPTS):
            url = self._urls[attempt % len(self._urls)] + path
            try:
                answer = self._client.request(method, url, json=body)
            except httpx.HTTPError as error:
                problem = f"{method} {url}: {error}"
            else:
                if answer.status_code == 200:
                    return answer.json()
                problem = f"{method} {url}: {answer.status_code} {answer.text[:300]}"
                if answer.status_code < 500:
                    break
            time.sleep(1)
        raise RuntimeError(problem)

    def items(self, path: str) -> list[dict[str, Any]]:
        """All objects of `path`."""
        found: list[dict[str, Any]] = []
        while True:
            page = self.call("GET", f"/1.0/{path}?offset={len(found)}&limit={PAGE}")["items"]
            found += page
            if len(page) < PAGE:
                return found

    def ensure(self, path: str, keys: tuple[str, ...], body: dict[str, Any]) -> dict[str, Any]:
        """The object of `path` that has the `keys` of `body`, created or changed as needed.

        The API never shows passwords, so a changed password alone is not noticed.
        """
        name = ", ".join(str(body[key]) for key in keys)
        for item in self.items(path):
            if all(str(item.get(key)) == str(body[key]) for key in keys):
                if all(item[key] == value for key, value in body.items() if key in item):
                    return item
                print(f"{path}: changed {name}")
                key = item.get("id", item.get("uuid"))
                return dict(self.call("PUT", f"/1.0/{path}/{key}", body))
        created = self.call("POST", f"/1.0/{path}", body)
        print(f"{path}: created {name}")
        return dict(created)
