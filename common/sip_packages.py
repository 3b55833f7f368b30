"""Where the Kamailio of a machine image comes from."""

from __future__ import annotations

from enum import StrEnum


class SipPackages(StrEnum):
    """A variant of the machine image; `docs/image.md` compares them."""

    DEBIAN13 = "debian13"
    BACKPORTS = "backports"  # Kamailio of Debian testing
