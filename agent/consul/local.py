"""Client of this machine's Consul agent: checks, maintenance, keys, leaving."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import requests
from consul.exceptions import ConsulException
from consul.std import Consul

from agent.errors import AgentError

LOOPBACK = "127.0.0.1"


class LocalConsul:
    """Client of the local agent for one service, or for none on a Consul server."""

    def __init__(self, port: int, service: str | None, token: str | None = None) -> None:
        self.api: Any = Consul(host=LOOPBACK, port=port, token=token)
        self._service = service

    def passing(self) -> bool:
        """True when all checks of the service pass; on a server, when a leader is known."""
        with as_agent_error("checks"):
            if self._service is None:
                return bool(self.api.status.leader())
            checks = self._own_checks()
        return bool(checks) and all(check["Status"] == "passing" for check in checks)

    def peers_are_healthy(self) -> bool:
        """True when the service passes its checks on another machine of the tier."""
        if self._service is None:
            return False
        with as_agent_error("peers"):
            own = self.api.agent.services().get(self._service, {}).get("Address")
            _, found = self.api.health.service(self._service, passing=True)
        return any(entry["Service"]["Address"] != own for entry in found)

    def instances(self, service: str) -> list[dict[str, Any]]:
        """Instances of a service that pass their checks: `Address`, `Port`, `Meta`."""
        with as_agent_error(service):
            _, found = self.api.health.service(service, passing=True)
        return [entry["Service"] for entry in found]

    def get(self, key: str) -> str | None:
        """Value of a key; None when there is none."""
        with as_agent_error(key):
            _, found = self.api.kv.get(key)
        return None if found is None or found["Value"] is None else found["Value"].decode()

    def put(self, key: str, value: str) -> None:
        """Set a key."""
        with as_agent_error(key):
            self.api.kv.put(key, value)

    def registered(self) -> bool:
        """True when the agent knows the service."""
        with as_agent_error("services"):
            return self._service is None or self._service in self.api.agent.services()

    def maintenance(self, enable: bool, reason: str) -> None:
        """Take the service out of every list, or put it back."""
        if self._service is not None:
            with as_agent_error("maintenance"):
                # The API accepts the word in lower case only; a bool would be sent as "True".
                self.api.agent.service.maintenance(
                    self._service, "true" if enable else "false", reason
                )

    def in_maintenance(self) -> bool:
        """True when the service is in maintenance."""
        if self._service is None:
            return False
        with as_agent_error("checks"):
            return f"_service_maintenance:{self._service}" in self.api.agent.checks()

    def deregister(self) -> None:
        """Remove the service from the agent and from the catalogue."""
        if self._service is not None:
            with as_agent_error("deregistration"):
                self.api.agent.service.deregister(self._service)

    def leave(self) -> None:
        """Leave the cluster; this ends the agent's process."""
        with as_agent_error("leave"):
            self.api.agent.leave()

    def reload(self) -> None:
        """Have the agent read its configuration again, which registers the service again."""
        with as_agent_error("reload"):
            self.api.agent.reload()

    def _own_checks(self) -> list[dict[str, Any]]:
        checks: dict[str, dict[str, Any]] = self.api.agent.checks()
        return [check for check in checks.values() if check["ServiceID"] == self._service]


@contextmanager
def as_agent_error(what: str) -> Iterator[None]:
    """Turn an error of Consul or of the network into an `AgentError` of one line."""
    try:
        yield
    except (ConsulException, requests.RequestException) as error:
        raise AgentError(f"Consul, {what}: {' '.join(str(error).split())}") from None
