"""Registrations of trunks at their carriers, divided among the healthy routers.

router-confd has them as Kamailio's table `uacreg`. The routers divide them without messages, by
rendezvous hashing: a trunk belongs to the healthy router whose address hashes highest with it.
The Contact is the public address of an SBC, which is chosen in the same way; the carrier's calls
arrive there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from agent import log
from agent.consul.service_discovery import HealthyInstances, ask, elect
from agent.errors import AgentError
from agent.files.atomic import write_newer
from agent.kamailio import kamcmd
from agent.kamailio.kamcmd import RpcFailed
from common import kamailio, paths, ports

TABLE = kamailio.UACREG_TABLE
PATH = f"/1.0/kamailio/dbtext/{TABLE}"
_FIELD = re.compile(r"((?:[^:\\]|\\.)*)(?::|$)")
_REGISTRAR = re.compile(r"sip:(?P<host>[0-9A-Za-z.:\[\]_-]+)(?P<parameters>(;[0-9A-Za-z._~=-]+)*)")
Rpc = Callable[..., str]


class Table(NamedTuple):
    """A db_text table: its rows by `l_uuid`, with fields escaped as in the text."""

    head: str
    rows: dict[str, tuple[str, ...]]

    @property
    def columns(self) -> list[str]:
        return [column.partition("(")[0] for column in self.head.split()]

    def text(self) -> str:
        """The table as a file, with rows numbered from one."""
        rows = (":".join((str(i), *row[1:])) for i, row in enumerate(self.rows.values(), 1))
        return "\n".join((self.head, *rows)) + "\n"


def parse(text: str) -> Table:
    """The table in `text`. Raises `AgentError` when it is not a table of registrations."""
    head, *lines = text.splitlines() or [""]
    columns = Table(head, {}).columns
    if not {"l_uuid", "auth_proxy", "contact_addr"} <= set(columns):
        raise AgentError(f"registrations: first line {head[:80]!r} does not name the columns")
    rows = {}
    for line in lines:
        fields = tuple(m[1] for m in _FIELD.finditer(line))[: len(columns)]
        if len(fields) != len(columns):
            raise AgentError(f"registrations: a row has {len(fields)} fields, not {len(columns)}")
        rows[fields[columns.index("l_uuid")]] = fields
    return Table(head, rows)


def own_share(table: Table, own: str, healthy: HealthyInstances) -> Table:
    """The rows of this router, changed to go through an SBC; there must be one.

    The registrar becomes a parameter of the Contact, which the SBC removes again.
    """
    proxy, contact = (table.columns.index(name) for name in ("auth_proxy", "contact_addr"))
    rows = {}
    for trunk, row in table.rows.items():
        registrar = _REGISTRAR.fullmatch(_unescape(row[proxy]))
        if registrar is None or elect(trunk, healthy.routers) != own:
            continue
        public = elect(trunk, (sbc.public for sbc in healthy.sbcs))
        sbc = next(sbc for sbc in healthy.sbcs if sbc.public == public)
        fields = list(row)
        fields[proxy] = _escape(f"sip:{sbc.private}:{ports.SIP_INTERNAL.number}")
        fields[contact] = _escape(
            f"{sbc.public}:{ports.SIP.number};registrar={registrar['host']}{registrar['parameters']}"
        )
        rows[trunk] = tuple(fields)
    return Table(table.head, rows)


def fetch(router_confds: Sequence[str]) -> Table:
    """The whole table, from the first router-confd that answers. Raises `AgentError`."""
    return ask(router_confds, PATH, "registrations", lambda reply: parse(str(reply["content"])))


class Registrations:
    """Keeps Kamailio's registrations equal to this router's share."""

    def __init__(
        self,
        own: str,
        healthy: Callable[[], HealthyInstances],
        folder: Path = paths.KAMAILIO,
        rpc: Rpc = kamcmd.rpc,
        group: str | int = "kamailio",
    ) -> None:
        self._own, self._healthy, self._rpc, self._group = own, healthy, rpc, group
        self._file = folder / TABLE
        self._whole: Table | None = None
        self._handed: dict[str, tuple[str, ...]] = {}
        self._leaving: set[str] = set()
        self._started = False

    def run(self) -> None:
        """Do one round; the next one repeats what failed. Raises `AgentError`."""
        healthy = self._healthy()
        try:
            self._whole = fetch(healthy.router_confds)
        except AgentError as error:
            if self._whole is None:
                raise
            log.warning("registrations not fetched; the last ones stay", error=error)
        if not healthy.sbcs or self._own not in healthy.routers:
            return  # no SBC to send them through, or out of service: other routers have them
        share = own_share(self._whole, self._own, healthy)
        try:
            self._hand_over(share)
        except RpcFailed as error:
            raise AgentError(f"registrations: {error}") from None

    def _hand_over(self, share: Table) -> None:
        if not self._started:  # Kamailio may still have rows from before the agent's restart
            self._handed = dict.fromkeys(self._on_file(), ())
            self._started = True
        for trunk in sorted(self._leaving):
            self._rpc("uac.reg_remove", f"s:{trunk}")
            self._leaving.remove(trunk)
        changed = {
            t: row for t, row in share.rows.items() if self._handed.get(t, ())[1:] != row[1:]
        }
        gone = self._handed.keys() - share.rows.keys()
        if not changed and not gone:
            return
        # The table holds passwords, which only Kamailio may read.
        write_newer(self._file, share.text(), mode=0o640, group=self._group)
        for trunk in sorted(gone):
            self._give_up(trunk)
            del self._handed[trunk]
        for trunk, row in changed.items():
            self._rpc("uac.reg_refresh", f"s:{trunk}")
            self._rpc("uac.reg_register", "l_uuid", f"s:{trunk}")
            self._handed[trunk] = row
        log.info(
            "registrations changed", own=len(share.rows), changed=len(changed), removed=len(gone)
        )

    def _give_up(self, trunk: str) -> None:
        """Remove a registration from Kamailio.

        If another router has it now, the carrier gets no message. If router-confd no longer has
        the trunk, it is unregistered at the carrier.
        """
        try:
            if self._whole is not None and trunk in self._whole.rows:
                self._rpc("uac.reg_remove", f"s:{trunk}")
            else:
                self._rpc("uac.reg_unregister", "l_uuid", f"s:{trunk}")
                self._leaving.add(trunk)  # removed when the carrier has answered
        except RpcFailed as error:
            if "not found" not in str(error).lower():
                raise

    def _on_file(self) -> Iterable[str]:
        try:
            return parse(self._file.read_text(encoding="utf-8")).rows
        except (OSError, AgentError):
            return ()


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace(":", "\\:")


def _unescape(value: str) -> str:
    return re.sub(r"\\(.)", r"\1", value)
