"""Interfaces of a host on the internet side, such as `lab.machines.hosts.Host`."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol


class SippHost(Protocol):
    """A host with one address, on which SIPp can be started."""

    @property
    def address(self) -> str: ...

    def popen(self, args: Sequence[str | Path], **options: Any) -> subprocess.Popen[str]: ...


class CountingHost(Protocol):
    """A host on which programs can be run to their end, here `nft` for its counters."""

    def run(self, args: Sequence[str | Path]) -> subprocess.CompletedProcess[str]: ...
