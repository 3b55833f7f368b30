"""`python -m router_confd [run | check-config | settings]`."""

from __future__ import annotations

import argparse
import logging
import sys

from common.journal import JournalFormatter
from router_confd.config import (
    ConfigError,
    Secrets,
    Settings,
    load_credentials,
    load_secrets,
    load_settings,
    settings_table,
)

BAD_INPUT = 2
FAILED = 1


def main() -> int:
    """Exit status: 0 stopped by a signal, 1 a part failed, 2 the settings are wrong."""
    parser = argparse.ArgumentParser(
        prog="router-confd",
        description="The routing service. Settings: environment variables C4_ROUTER_CONFD_*.",
    )
    parser.add_argument(
        "command",
        nargs="?",
        default="run",
        choices=("run", "check-config", "settings"),
        help="default: run",
    )
    command = parser.parse_args().command
    if command == "settings":
        print(settings_table())
        return 0
    try:
        settings = load_settings()
        secrets = load_secrets(settings.secrets_file)
        load_credentials(settings.database_credentials_file)
    except ConfigError as error:
        print(f"router-confd: {error}", file=sys.stderr)
        return BAD_INPUT
    if command == "check-config":
        print("router-confd: the settings are valid")
        return 0
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JournalFormatter())
    logging.basicConfig(level=settings.log_level, handlers=[handler])
    logging.getLogger("alembic.runtime.plugins").setLevel(logging.WARNING)
    return _run(settings, secrets)


def _run(settings: Settings, secrets: Secrets) -> int:
    # Imported here, because check-config and errors in the settings need none of it.
    import uvloop

    from router_confd import container
    from router_confd.http import server

    try:
        parts = container.build(settings, secrets)
        uvloop.run(server.run(parts))
    except OSError as error:
        print(f"router-confd: {error}", file=sys.stderr)
        return FAILED
    return 0


if __name__ == "__main__":
    sys.exit(main())
