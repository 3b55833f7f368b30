"""Count the RTP packets that arrive at an end of a call, by counters of the kernel."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from sipp.host import CountingHost

TABLE = "c4_media"
SIP_PORTS = "5000-5999"


@dataclass(frozen=True)
class Heard:
    """Packets that arrived at a host, except on SIP's ports."""

    from_relays: int
    from_others: int


class Ear:
    """Counts UDP packets that arrive at `host` from `relays` while its block is open."""

    def __init__(self, host: CountingHost, relays: Sequence[str]) -> None:
        self.host, self.relays = host, relays

    def __enter__(self) -> Self:
        relays = ", ".join(self.relays)
        self._nft("delete", "table", "inet", TABLE, check=False)
        self._nft(
            f"table inet {TABLE} {{ chain heard {{ type filter hook input priority 0; "
            f"udp dport {SIP_PORTS} accept; "
            f'ip saddr {{ {relays} }} meta l4proto udp counter comment "relay"; '
            f'ip saddr != {{ {relays} }} meta l4proto udp counter comment "other"; }}; }}'
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._nft("delete", "table", "inet", TABLE, check=False)

    def heard(self) -> Heard:
        """Packets so far."""
        listing = json.loads(self._nft("-j", "list", "table", "inet", TABLE).stdout)
        packets = {}
        for item in listing["nftables"]:
            rule = item.get("rule", {})
            for part in rule.get("expr", []):
                if "counter" in part:
                    packets[rule["comment"]] = part["counter"]["packets"]
        return Heard(packets["relay"], packets["other"])

    def _nft(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        done = self.host.run(["nft", *arguments])
        if check and done.returncode != 0:
            raise RuntimeError(f"nft {' '.join(arguments)}: {done.stderr.strip()}")
        return done
