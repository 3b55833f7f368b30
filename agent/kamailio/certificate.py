"""Bring the SBCs' certificate from Secrets Manager to Kamailio, again after each renewal.

An operator stores `{"certificate": PEM chain, "private_key": PEM}` as the secret's value. Until
then all SBCs of the tenant share a self-signed certificate, so that TLS works from the start.
"""

from __future__ import annotations

from typing import Any

from agent.aws import clients, secrets
from agent.config import Config
from agent.errors import AgentError
from agent.facts import InstanceFacts
from agent.files.atomic import write
from common import paths

CERTIFICATE = paths.TLS_CERTIFICATE.name
KEY = paths.TLS_KEY.name
RELOAD = "tls.reload"  # Kamailio's RPC; new connections use the new certificate


def first_value(host: str, facts: InstanceFacts) -> dict[str, Any]:
    """A self-signed certificate."""
    from agent.consul import pki

    authority = pki.new_authority(f"{host} (self-signed)")
    pair = pki.issue_server(authority, (host,), facts.advertised_ip)
    return {"certificate": pair.certificate + authority.certificate, "private_key": pair.key}


def refresh(config: Config, facts: InstanceFacts, *, owner: str | None = None) -> bool:
    """Write the secret's current value; True when it is another certificate than before.

    A value that TLS cannot use does not replace the last good one. Raises `AgentError`.
    """
    name = config.secrets.sbc_tls
    if name is None:
        raise AgentError("secrets.sbc_tls: required on an SBC, but absent")
    host = f"{config.service}.c4.internal"
    client = clients.client("secretsmanager", config.region)
    value = secrets.read_or_create(client, name, lambda: first_value(host, facts))
    certificate, key = _checked(name, value)
    place = paths.KAMAILIO / CERTIFICATE
    if place.exists() and place.read_text(encoding="utf-8") == certificate:
        return False
    # Only Kamailio's group may read the key.
    write(paths.KAMAILIO / KEY, key, mode=0o440, owner=owner, group="kamailio")
    write(place, certificate, owner=owner)
    return True


def _checked(name: str, value: dict[str, Any]) -> tuple[str, str]:
    """The chain and its key, which were checked to belong together."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        certificate, key = str(value["certificate"]), str(value["private_key"])
        leaf = x509.load_pem_x509_certificates(certificate.encode())[0]
        public = load_pem_private_key(key.encode(), password=None).public_key()
    except KeyError as error:
        raise AgentError(f"secret {name}: key {error} is absent") from None
    except (ValueError, TypeError):
        raise AgentError(f"secret {name}: must hold PEM, the key without a password") from None
    if leaf.public_key() != public:
        raise AgentError(f"secret {name}: private_key does not belong to certificate")
    return certificate, key
