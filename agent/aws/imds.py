"""Instance metadata, version 2 only."""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable

from agent.errors import AgentError

ADDRESS = "169.254.169.254"
TOKEN_LIFETIME_S = 21_600
_EARLY_S = 300  # renew the token that long before its end
_TIMEOUT_S = 2.0


class Imds:
    """Client of the metadata service; keeps its token until shortly before it expires."""

    def __init__(
        self,
        address: str = ADDRESS,
        port: int = 80,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._address = address
        self._port = port
        self._clock = clock
        self._token = ""
        self._token_until = 0.0

    def get(self, path: str) -> str | None:
        """Text of `meta-data/<path>`, or None when there is no such key.

        Raises `AgentError` when the service does not answer, or answers with an error.
        """
        status, body = self._get(path)
        if status == 401:  # the token was invalidated, e.g. by hibernation
            self._token_until = 0.0
            status, body = self._get(path)
        if status == 404:
            return None
        if status != 200:
            raise AgentError(f"instance metadata {path}: status {status}")
        return body

    def _get(self, path: str) -> tuple[int, str]:
        if self._clock() >= self._token_until:
            header = {"X-aws-ec2-metadata-token-ttl-seconds": str(TOKEN_LIFETIME_S)}
            status, token = self._request("PUT", "/latest/api/token", header)
            if status != 200:
                raise AgentError(f"instance metadata token: status {status}")
            self._token = token
            self._token_until = self._clock() + TOKEN_LIFETIME_S - _EARLY_S
        header = {"X-aws-ec2-metadata-token": self._token}
        return self._request("GET", f"/latest/meta-data/{path}", header)

    def _request(self, method: str, path: str, headers: dict[str, str]) -> tuple[int, str]:
        connection = http.client.HTTPConnection(self._address, self._port, timeout=_TIMEOUT_S)
        try:
            connection.request(method, path, headers=headers)
            response = connection.getresponse()
            return response.status, response.read().decode()
        except (OSError, http.client.HTTPException, UnicodeDecodeError) as error:
            raise AgentError(f"instance metadata {path}: {error}") from None
        finally:
            connection.close()
