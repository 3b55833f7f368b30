"""The registrations of trunks at their carriers, as Kamailio's dbtext table `uacreg`."""

from __future__ import annotations

from common.kamailio import UACREG_HEAD
from router_confd.auth.crypto import Vault
from router_confd.directory.rows import Trunk
from router_confd.directory.store import Directory

FLAGS = 16  # Kamailio starts each registration by itself


def table(directory: Directory, vault: Vault) -> str:
    """The whole file. It leaves out trunks that lack a value which a registration needs."""
    lines = [UACREG_HEAD]
    for trunk_id in sorted(directory.trunks.rows):
        trunk = directory.trunks.rows[trunk_id]
        if trunk.registered and (line := _line(len(lines), trunk, vault)):
            lines.append(line)
    return "\n".join(lines) + "\n"


def _line(number: int, trunk: Trunk, vault: Vault) -> str | None:
    password = vault.open(trunk.auth_password, trunk.tenant_uuid)
    if not (trunk.auth_username and password and trunk.from_domain and trunk.registrar_proxy):
        return None
    values = (
        number,
        trunk.id,
        trunk.auth_username,
        trunk.from_domain,
        trunk.auth_username,
        trunk.from_domain,
        trunk.realm or "",
        trunk.auth_username,
        password,
        "",
        f"sip:{trunk.registrar_proxy}",
        trunk.expire_seconds,
        FLAGS,
        0,
        "",
        "",
    )
    return ":".join(_escape(str(value)) for value in values)


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace(":", "\\:")
