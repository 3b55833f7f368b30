"""The states of a dialog in Kamailio's dialog module."""

from __future__ import annotations

from enum import IntEnum


class State(IntEnum):
    """As in a dump of the dialogs, and in what DMQ sends."""

    UNCONFIRMED = 1
    EARLY = 2
    CONFIRMED_WITHOUT_ACK = 3
    CONFIRMED = 4
    DELETED = 5
