"""SIP credentials are encrypted at rest, or hashed where the plain text is not needed."""

from __future__ import annotations

import base64
import hashlib
import hmac
import logging
import os
import secrets as random

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from router_confd.config import Secrets

_NONCE = 12
_VERSION = "v1:"
_PBKDF2_ROUNDS = 100_000

log = logging.getLogger(__name__)


class Undecryptable(Exception):
    """The text cannot be decrypted with the keys of this instance."""


class Vault:
    """AES-256-GCM. The keys are derived from the secrets file, and the newest one encrypts."""

    def __init__(self, secrets: Secrets) -> None:
        keys = (secrets.encryption_key, *secrets.previous_encryption_keys)
        self._ciphers = [AESGCM(_derive(key.get_secret_value())) for key in keys]

    def encrypt(self, text: str, owner: str) -> str:
        """The ciphertext of `text`, bound to `owner`, which is the uuid of a tenant."""
        nonce = os.urandom(_NONCE)
        sealed = self._ciphers[0].encrypt(nonce, text.encode(), owner.encode())
        return _VERSION + base64.b64encode(nonce + sealed).decode()

    def open(self, text: str | None, owner: str) -> str | None:
        """The plain text; None if there is none. Logs an error if it cannot be decrypted."""
        if text is None:
            return None
        try:
            return self.decrypt(text, owner)
        except Undecryptable:
            log.error(
                "cannot decrypt a credential of tenant %s: it was encrypted with another key", owner
            )
            return None

    def decrypt(self, text: str, owner: str) -> str:
        """The plain text. Raises Undecryptable: wrong key or owner, or damaged."""
        try:
            raw = base64.b64decode(text.removeprefix(_VERSION), validate=True)
        except ValueError:
            raise Undecryptable from None
        for cipher in self._ciphers:
            try:
                return cipher.decrypt(raw[:_NONCE], raw[_NONCE:], owner.encode()).decode()
            except (InvalidTag, ValueError):
                continue
        raise Undecryptable


def _derive(secret: str) -> bytes:
    kdf = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"router-confd credentials")
    return kdf.derive(secret.encode())


def ha1(username: str, realm: str, password: str) -> str:
    """Digest HA1 of RFC 2617: MD5 hex of username:realm:password."""
    text = f"{username}:{realm}:{password}".encode()
    return hashlib.md5(text, usedforsecurity=False).hexdigest()


def hash_password(password: str) -> str:
    """64 hexadecimal characters of salt, then PBKDF2-HMAC-SHA512 in hexadecimal."""
    salt = random.token_hex(32)
    return salt + _pbkdf2(password, salt)


def verify_password(stored: str, password: str) -> bool:
    """True if `stored` is the hash of `password`. Slow on purpose."""
    salt, digest = stored[:64], stored[64:]
    return hmac.compare_digest(_pbkdf2(password, salt), digest)


def _pbkdf2(password: str, salt: str) -> str:
    return hashlib.pbkdf2_hmac("sha512", password.encode(), salt.encode(), _PBKDF2_ROUNDS).hex()
