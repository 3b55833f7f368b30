"""What the configuration of Kamailio and the agent beside it must agree about."""

from __future__ import annotations

from typing import Final

# Dispatcher sets of the SBC.
DISPATCHER_SET_NEW: Final = 1  # routers that take new calls
DISPATCHER_SET_ALL: Final = 2  # routers for requests within dialogs
DISPATCHER_SET_LAST: Final = 3  # as 1, never probed: for when probing finds all dead

# A node's dialogs are numbered from the low 16 bits of its address in steps of this size, which
# leaves room for every address of a VPC (/16, the largest that AWS allows). Two nodes never use
# the same number, and the number tells whose dialog it is.
NODE_ID_STEP: Final = 65_536
# rtpengine set for calls whose rtpengine died. The sets below it are those of single rtpengines,
# numbered by the low 16 bits of their addresses.
RTPENGINE_SET_MOVED: Final = NODE_ID_STEP

RINGING_LIMIT_S: Final = 600  # most that the setting of the ringing time may be
RINGING_MARGIN_S: Final = 60  # from the end of ringing to that of its transaction
