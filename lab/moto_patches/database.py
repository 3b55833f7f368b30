"""The secret of an RDS instance holds credentials of its own, and rotation changes them."""

from __future__ import annotations

import json
import secrets
from typing import Any

from moto.rds.models import MasterUserSecret

PASSWORD_BYTES = 24


def new_secret(username: str) -> str:
    """The secret's text as RDS writes it."""
    return json.dumps({"username": username, "password": secrets.token_urlsafe(PASSWORD_BYTES)})


def _generate(self: MasterUserSecret) -> str:
    return new_secret(str(self.resource.master_username))


def _rotate(self: MasterUserSecret) -> None:
    self._status = "rotating"
    self.secretsmanager.put_secret_value(
        secret_id=self.secret.arn,
        secret_string=_generate(self),
        secret_binary="",
        client_request_token="",
        version_stages=["AWSCURRENT"],
    )


def apply() -> None:
    secret: Any = MasterUserSecret
    secret._generate_secret_string = _generate
    secret.rotate_secret = _rotate
