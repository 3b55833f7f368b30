"""The secret of an RDS instance has credentials of its own, which rotation changes.

In moto all instances have the same fixed password.

Upstream: getmoto/moto#8745 added the secret; no issue known about its content.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
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


def apply(put: Callable[[Any, str, Any], None]) -> None:
    put(MasterUserSecret, "_generate_secret_string", _generate)
    put(MasterUserSecret, "rotate_secret", _rotate)
