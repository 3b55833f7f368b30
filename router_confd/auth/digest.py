"""Our digest credentials towards PBXs and carriers, for the routing reply."""

from __future__ import annotations

from router_confd.auth.crypto import Vault, ha1
from router_confd.directory.rows import Ipbx, Trunk
from router_confd.routing.reply import Login


def towards_ipbx(vault: Vault, ipbx: Ipbx) -> Login:
    """User name, realm and HA1; empty if one is missing. A PBX's password is not stored."""
    if not (ipbx.username and ipbx.realm and ipbx.realm_ha1):
        return {}
    secret = vault.open(ipbx.realm_ha1, ipbx.tenant_uuid)
    if not secret:
        return {}
    return {"auth_username": ipbx.username, "auth_ha1": secret, "realm": ipbx.realm}


def towards_trunk(vault: Vault, trunk: Trunk) -> Login:
    """User name, realm, password and HA1; empty if one of them is missing."""
    password = vault.open(trunk.auth_password, trunk.tenant_uuid)
    if not (trunk.auth_username and trunk.realm and password):
        return {}
    return {
        "auth_username": trunk.auth_username,
        "auth_password": password,
        "auth_ha1": ha1(trunk.auth_username, trunk.realm, password),
        "realm": trunk.realm,
    }
