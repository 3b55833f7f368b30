"""The configuration in memory: routing decisions never wait for the database.

`rows` are the shapes, `tables` the container with its indexes, `dids` the number index,
`store` the whole, `sync` keeps it equal to the database.
"""

from router_confd.directory.store import Directory
from router_confd.directory.sync import Sync

__all__ = ["Directory", "Sync"]
