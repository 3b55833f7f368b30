"""What the routers and router-confd must agree about in call records."""

from __future__ import annotations

from typing import Final

TEXT_LENGTH: Final = 256  # characters of a text in a call record; router-confd refuses more
