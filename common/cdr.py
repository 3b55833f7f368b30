"""What the routers and router-confd must agree on about call records."""

from __future__ import annotations

from typing import Final

# Longest URI or Call-ID in a call record, in characters. router-confd refuses a longer one. A new
# length needs a migration of the table `cdrs`.
TEXT_LENGTH: Final = 256
