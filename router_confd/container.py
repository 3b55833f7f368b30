"""The parts of a running instance, which both listeners share."""

from __future__ import annotations

from dataclasses import dataclass

from router_confd.auth.crypto import Vault
from router_confd.cdr.spool import Spool
from router_confd.cdr.store import CdrStore
from router_confd.config import Secrets, Settings
from router_confd.database.engine import Database
from router_confd.directory import Sync


@dataclass(frozen=True)
class Service:
    settings: Settings
    secrets: Secrets
    database: Database
    sync: Sync
    vault: Vault
    cdrs: CdrStore


def build(settings: Settings, secrets: Secrets) -> Service:
    """The parts, not connected yet. Raises OSError when the spool directory cannot be used."""
    database = Database(settings)
    sync = Sync(database, settings.max_staleness)
    spool = Spool(settings.spool_dir, settings.spool_limit)
    return Service(
        settings=settings,
        secrets=secrets,
        database=database,
        sync=sync,
        vault=Vault(secrets),
        cdrs=CdrStore(database, spool, lambda: sync.connected),
    )
