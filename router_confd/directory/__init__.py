"""The configuration in memory: routing decisions never wait for the database.

`rows` has the shapes of the rows, `tables` the container with its indexes, `dids` the index of
numbers, and `store` all of them together. `load` reads them from the database, and `sync` keeps
them equal to it.
"""

from router_confd.directory.store import Directory
from router_confd.directory.sync import Sync

__all__ = ["Directory", "Sync"]
