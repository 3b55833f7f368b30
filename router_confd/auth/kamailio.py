"""Finds out who sends a call: a PBX by address or credentials, or a carrier trunk by address."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Protocol

from router_confd.auth.crypto import Vault, verify_password
from router_confd.directory.rows import Ipbx
from router_confd.directory.store import Directory, canonical
from router_confd.resources.schemas.kamailio import AuthReply, AuthRequest

REFUSED = AuthReply()


class Caller(Protocol):
    """The fields that identify a caller, in a request for authentication or for a route."""

    @property
    def source_ip(self) -> str | None: ...
    @property
    def domain(self) -> str | None: ...
    @property
    def username(self) -> str | None: ...


def authenticate(directory: Directory, vault: Vault, request: Caller) -> AuthReply:
    """Authenticate a request without a password, which is what Kamailio sends."""
    for ipbx in _candidates(directory, request):
        return _ipbx_reply(directory, vault, ipbx)
    return _trunk_reply(directory, request)


async def authenticate_with_password(
    directory: Directory, vault: Vault, request: AuthRequest
) -> AuthReply:
    """As `authenticate`, but a password in the request must be that of the PBX."""
    if not request.password:
        return authenticate(directory, vault, request)
    for ipbx in _candidates(directory, request):
        if ipbx.password is None:
            continue
        if await asyncio.to_thread(verify_password, ipbx.password, request.password):
            return _ipbx_reply(directory, vault, ipbx)
    return _trunk_reply(directory, request)


def _candidates(directory: Directory, request: Caller) -> Iterable[Ipbx]:
    """PBXs that the request may come from, lowest id first.

    A PBX without an address does not match every address, as it does in wazo-router-confd. It must
    match by its user name, and have a password that the router can check.
    """
    found: dict[int, Ipbx] = {}
    if request.source_ip:
        for ipbx in directory.ipbxs_by_address[canonical(request.source_ip)]:
            anonymous = ipbx.username is None and ipbx.password_ha1 is None
            if not request.username or anonymous or ipbx.username == request.username:
                found[ipbx.id] = ipbx
    if request.username:
        for ipbx in directory.ipbxs_by_username[request.username]:
            if not ipbx.password_ha1 or (request.source_ip and ipbx.ip_address):
                continue
            found[ipbx.id] = ipbx
    if request.domain:
        found = {i: x for i, x in found.items() if _domain(directory, x) == request.domain}
    return (found[i] for i in sorted(found))


def _domain(directory: Directory, ipbx: Ipbx) -> str | None:
    domain = directory.domains.rows.get(ipbx.domain_id)
    return domain.domain if domain else None


def _ipbx_reply(directory: Directory, vault: Vault, ipbx: Ipbx) -> AuthReply:
    ha1 = vault.open(ipbx.password_ha1, ipbx.tenant_uuid)
    if ha1 is None and ipbx.password_ha1:
        return REFUSED  # without the HA1, the router would not ask for a digest
    return AuthReply(
        success=True,
        tenant_uuid=ipbx.tenant_uuid,
        ipbx_id=ipbx.id,
        domain=_domain(directory, ipbx),
        username=ipbx.username,
        password_ha1=ha1,
    )


def _trunk_reply(directory: Directory, request: Caller) -> AuthReply:
    if request.source_ip:
        for trunk in directory.trunks_by_address[canonical(request.source_ip)]:
            return AuthReply(success=True, tenant_uuid=trunk.tenant_uuid, carrier_trunk_id=trunk.id)
    return REFUSED
