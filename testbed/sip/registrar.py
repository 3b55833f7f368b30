"""A carrier's registrar: it asks for a digest and keeps the bindings that it granted."""

from __future__ import annotations

import hashlib
import re
import secrets
import socket
import time
from dataclasses import dataclass
from typing import Any

from testbed.sip.agent import Agent, Message, Server


@dataclass(frozen=True)
class Binding:
    """Where to call an account."""

    contact: str  # URI
    until: float  # monotonic
    call_id: str
    source: str  # address that the REGISTER came from


class Registrar(Agent):
    """Calls go on working as in its base class."""

    def __init__(
        self, sock: socket.socket, *, realm: str, user: str, password: str, **more: Any
    ) -> None:
        self.realm, self.user, self.password = realm, user, password
        self.longest_s = 3600
        self.bindings: dict[str, Binding] = {}  # by contact
        self.registers: list[Message] = []
        self.refused = 0
        self._nonces: set[str] = set()
        super().__init__(sock, **more)

    @property
    def living(self) -> list[Binding]:
        return [b for b in list(self.bindings.values()) if b.until > time.monotonic()]

    def _dispatch(self, message: Message) -> None:
        if message.is_reply or message.method != "REGISTER":
            super()._dispatch(message)
            return
        self.registers.append(message)
        if not self._authorized(message):
            nonce = secrets.token_hex(8)
            self._nonces.add(nonce)
            challenge = f'WWW-Authenticate: Digest realm="{self.realm}", nonce="{nonce}"'
            self.reply(message, 401, "Unauthorized", tag="r", header=challenge)
            return
        expires = min(int(message.get("Expires") or 3600), self.longest_s)
        if expires:
            self.bindings[message.contact] = Binding(
                message.contact, time.monotonic() + expires, message.call_id, message.source[0]
            )
        else:
            self.bindings.pop(message.contact, None)
        lines = [
            f"Contact: <{b.contact}>;expires={int(b.until - time.monotonic()) + 1}"
            for b in self.living
        ]
        self.reply(message, 200, "OK", tag="r", header="\r\n".join(lines) or "X-Bindings: 0")

    def _authorized(self, message: Message) -> bool:
        if not message.get("Authorization"):
            return False
        value = dict(re.findall(r'(\w+)="?([^",]*)"?', message.get("Authorization")))

        def md5(text: str) -> str:
            return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()

        ha1 = md5(f"{self.user}:{self.realm}:{self.password}")
        right = md5(f"{ha1}:{value['nonce']}:{md5('REGISTER:' + value['uri'])}")
        if value["nonce"] in self._nonces and value["response"] == right:
            self._nonces.remove(value["nonce"])
            return True
        self.refused += 1
        return False


class TcpRegistrar(Registrar, Server):
    """The same over TCP, or with `context` over TLS."""
