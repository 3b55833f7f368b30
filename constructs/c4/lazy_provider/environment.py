"""What synthesis wants of this process and of the Node process that it starts."""

from __future__ import annotations

import os
import sys


def prepare() -> None:
    """Set variables of the environment and of the interpreter; idempotent.

    Call it before anything imports `cdktf`, which starts Node with the environment of that moment.
    """
    # Without bytecode every run would compile the services again: seconds, not milliseconds.
    sys.dont_write_bytecode = False
    # Node parses these certificates at each start, and jsii's Node talks to nobody.
    os.environ.pop("NODE_EXTRA_CA_CERTS", None)
    # jsii's banner about Node 20 would drown every message of ours; package.json says what we need.
    os.environ.setdefault("JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION", "18,20")
