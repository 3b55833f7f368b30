"""Derives what the database keeps from what clients send: hashes, ciphertexts, prefixes."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy.ext.asyncio import AsyncSession

from router_confd.auth.crypto import Vault, ha1, hash_password
from router_confd.database import models
from router_confd.http.errors import Invalid
from router_confd.routing import patterns

Values = dict[str, Any]  # by column
M = TypeVar("M", bound=models.Base)


@dataclass(frozen=True)
class Change(Generic[M]):
    """A create or an update, before it is written. Hooks may alter `values`."""

    session: AsyncSession
    vault: Vault
    row: M | None  # as it is now; None for a create
    values: Values  # the columns that change

    def new(self, column: str) -> Any:
        """The value that the row will have in this column."""
        return self.values.get(column, getattr(self.row, column, None))


async def nothing(_change: Change[M]) -> None:
    return None


async def ipbx(change: Change[models.Ipbx]) -> None:
    values, row, vault = change.values, change.row, change.vault
    owner = str(change.new("tenant_uuid"))
    if row is not None and owner != str(row.tenant_uuid):
        for column in ("password_ha1", "realm_ha1"):
            if sealed := getattr(row, column):
                values[column] = vault.encrypt(vault.decrypt(sealed, str(row.tenant_uuid)), owner)
    if "password" in values:
        await _ipbx_password(change, owner)
    elif row is not None and any(
        column in values and values[column] != getattr(row, column)
        for column in ("username", "realm")
    ):
        # Our digest towards the PBX was made of the old name. The PBX's own digest is kept:
        # without it, the router would not ask the PBX for one.
        values["realm_ha1"] = None


async def _ipbx_password(change: Change[models.Ipbx], owner: str) -> None:
    values, vault = change.values, change.vault
    password: str | None = values["password"]
    values["password_ha1"] = values["realm_ha1"] = None
    if password is None:
        return
    values["password"] = await asyncio.to_thread(hash_password, password)
    username, realm = change.new("username"), change.new("realm")
    domain = await change.session.get(models.Domain, change.new("domain_id"))
    if username and domain:
        values["password_ha1"] = vault.encrypt(ha1(username, domain.domain, password), owner)
    if username and realm:
        values["realm_ha1"] = vault.encrypt(ha1(username, realm, password), owner)


async def trunk(change: Change[models.CarrierTrunk]) -> None:
    if password := change.values.get("auth_password"):
        owner = str(change.new("tenant_uuid"))
        change.values["auth_password"] = change.vault.encrypt(password, owner)


async def did(change: Change[models.Did]) -> None:
    if "did_regex" in change.values:
        regex: str = change.values["did_regex"] or ""
        number = patterns.number_of(regex)
        change.values["is_number"] = number is not None
        change.values["did_prefix"] = number or patterns.digit_prefix(regex)


async def normalization_rule(change: Change[models.NormalizationRule]) -> None:
    try:
        patterns.check_replacement(change.new("match_regex"), change.new("replace_regex"))
    except patterns.BadPattern as error:
        raise Invalid("replace_regex", str(error)) from None
