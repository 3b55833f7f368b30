"""Calls of the demo: a round of SIPp calls of each kind through every SBC."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from common.topology import Tier
from demo.cluster import LocalDeployment
from demo.internet import (
    CARRIER,
    LOGIN,
    LOGIN_REALM,
    PBX,
    PBX_USER,
    REFUSING,
    SILENT,
    Internet,
    password,
    trunk_user,
)
from demo.router_confd import access
from demo.scenarios import BY_DID, Kind, Outbound, by_domain
from host.command_error import CommandError
from lab.api import Machine
from settings import Tenant
from sipp import messages
from sipp.scenarios import Callee, Caller
from sipp.sipp import Result, Sipp, callee, caller

PORTS_OF_CALLERS = range(5080, 5280)


@dataclass(frozen=True)
class Round:
    """The calls of one kind, and how many INVITEs each router received meanwhile.

    `ways` counts the calls by their attempts outside; it is None when these were not recorded.
    """

    kind: Kind
    results: tuple[Result, ...]
    ways: Counter[tuple[str, ...]] | None = None
    routers: dict[str, int] = field(default_factory=dict)

    @property
    def placed(self) -> int:
        return sum(result.placed for result in self.results)

    @property
    def succeeded(self) -> int:
        """Calls that ended as their kind should, after the right attempts."""
        ended = sum(result.answered for result in self.results)
        return ended if self.ways is None else min(ended, self.ways[self.kind.way])

    @property
    def failed(self) -> int:
        return self.placed - self.succeeded

    @property
    def call_ids(self) -> list[str]:
        return [call_id for result in self.results for call_id in result.call_ids]

    @property
    def ok(self) -> bool:
        return self.placed > 0 and all(result.ok for result in self.results) and not self.failed

    @property
    def setup_ms(self) -> list[float]:
        """Times from INVITE to ringing or refusal, sorted."""
        return sorted(time for result in self.results for time in result.setup_ms)


class Exchange:
    """The carriers and PBXs of one tenant, which answer while the block is open."""

    def __init__(
        self, cluster: LocalDeployment, tenant: Tenant, internet: Internet, folder: Path
    ) -> None:
        self.cluster, self.tenant, self.internet = cluster, tenant, internet
        self.folder = folder
        self._stack = ExitStack()
        self._count = itertools.count()
        self._parties: dict[str, Sipp] = {}

    def __enter__(self) -> Exchange:
        key = access(self.cluster, self.tenant).api_key
        self.outbound = Outbound(self.tenant, password(key, PBX_USER))
        user = trunk_user(self.tenant)
        for name, scenario in {
            PBX: Callee(),
            CARRIER: Callee(),
            REFUSING: Callee(status=503),
            SILENT: Callee(silent=True),
            LOGIN: Callee(username=user, password=password(key, user), realm=LOGIN_REALM),
        }.items():
            party = callee(self.internet[name], self.folder / name, scenario)
            self._parties[name] = self._stack.enter_context(party)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def sbcs(self) -> list[Machine]:
        """The SBCs that can be called from outside. Raises `CommandError` when there is none."""
        found = [
            machine
            for machine in self.cluster.machines(self.tenant.name, Tier.SBC.value)
            if machine.public_ip
        ]
        if not found:
            raise CommandError(f"no SBC of {self.tenant.name} has an Elastic IP")
        return found

    def caller(
        self,
        name: str,
        sbc: Machine,
        scenario: Caller,
        *,
        kind: Kind = BY_DID,
        calls: int = 1,
        rate: float = 10,
        timeout_s: int = 60,
        receive_ms: int | None = None,
        reordering: bool = False,
    ) -> Sipp:
        """A SIPp process, not started yet, that places calls of a `kind` through one SBC.

        It gives up after `timeout_s`. A call fails when it receives nothing for `receive_ms`.
        `reordering` is that of `sipp.caller`.
        """
        count = next(self._count)
        assert sbc.public_ip is not None
        return caller(
            self.internet[kind.host],
            self.folder / f"{count:02}-{name}",
            scenario,
            to=sbc.public_ip,
            number=kind.number,
            domain=kind.domain,
            caller_number=kind.caller_number,
            calls=calls,
            rate=rate,
            port=PORTS_OF_CALLERS[count % len(PORTS_OF_CALLERS)],
            timeout_s=timeout_s,
            receive_ms=receive_ms,
            reordering=reordering,
        )

    def placing(self, kinds: Sequence[Kind], calls: int, rate: float = 10) -> Placing:
        """Place the same number of calls of every kind through every SBC, all at once."""
        return Placing(self, kinds, calls, rate)

    def place(self, kind: Kind, calls: int, rate: float = 10) -> Round:
        """Place calls through all SBCs at once."""
        before = self.cluster.invites(self.tenant)
        with self.placing([kind], calls, rate) as placing:
            (round,) = placing.wait()
        after = self.cluster.invites(self.tenant)
        routers = {address: count - before.get(address, 0) for address, count in after.items()}
        return Round(kind, round.results, round.ways, routers)

    def by_did(self, calls: int, rate: float = 10) -> Round:
        return self.place(BY_DID, calls, rate)

    def by_domain(self, calls: int, rate: float = 10) -> Round:
        return self.place(by_domain(self.tenant), calls, rate)

    def heard(self, party: str) -> list[messages.Message]:
        """The messages that a carrier or PBX has received and sent so far."""
        return messages.read(self._parties[party].folder)

    def ways(self, *rounds: Sequence[Result]) -> list[Counter[tuple[str, ...]]]:
        """For each round, the number of calls by their attempts and the answers to these."""
        attempts: dict[str, list[messages.Attempt]] = {}
        for party in self._parties:
            for call_id, found in messages.attempts(party, self.heard(party)).items():
                attempts.setdefault(call_id, []).extend(found)
        for found in attempts.values():
            found.sort(key=lambda one: one.at)
        return [
            Counter(
                tuple(str(one) for one in attempts.get(call_id, []))
                for result in results
                for call_id in result.call_ids
            )
            for results in rounds
        ]


class Placing:
    """Calls in progress; leaving the block ends the remaining ones."""

    def __init__(
        self, exchange: Exchange, kinds: Sequence[Kind], calls: int, rate: float = 10
    ) -> None:
        self._exchange = exchange
        self._processes = {
            kind: [
                exchange.caller(
                    f"{kind.name}-{number}", sbc, kind.scenario, kind=kind, calls=calls, rate=rate
                )
                for number, sbc in enumerate(exchange.sbcs(), 1)
            ]
            for kind in kinds
        }
        self._stack = ExitStack()

    def __enter__(self) -> Placing:
        for processes in self._processes.values():
            for process in processes:
                self._stack.enter_context(process)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def wait(self, timeout: float = 120) -> list[Round]:
        """Wait until all calls have ended, and return a round for each kind."""
        results = [
            tuple(process.wait(timeout) for process in processes)
            for processes in self._processes.values()
        ]
        ways = self._exchange.ways(*results)
        return [Round(*one) for one in zip(self._processes, results, ways, strict=True)]
