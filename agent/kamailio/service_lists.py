"""Hand a rendered list over to Kamailio: check it, swap it in, reload it, and remember it."""

from __future__ import annotations

import fcntl
import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from agent import log
from agent.consul.catalogue_age import catalogue_is_new
from agent.errors import AgentError
from agent.files.atomic import write, write_newer
from agent.kamailio import kamcmd
from agent.kamailio.kamcmd import RpcFailed, RpcRefused
from agent.kamailio.lists import LISTS, ListDamaged, ListRefused, entries, whole
from common import paths

ATTEMPTS = 4
PAUSE_S = 0.3


class NotYet(Exception):
    """The list may become acceptable later; the message says what it waits for."""


@dataclass(frozen=True)
class Folders:
    """Folders of a list's three forms: rendered, in use by Kamailio, and last accepted (digest)."""

    rendered: Path = paths.RENDERED
    live: Path = paths.KAMAILIO
    applied: Path = paths.APPLIED


@dataclass(frozen=True)
class ServiceLists:
    """The lists of one instance. A reload that Kamailio refuses is tried `attempts` times."""

    folders: Folders = Folders()
    rpc: Callable[..., str] = kamcmd.rpc
    attempts: int = ATTEMPTS
    sleep: Callable[[float], None] = time.sleep
    catalogue_is_new: Callable[[], bool] = catalogue_is_new

    def apply(self, name: str) -> bool:
        """Hand the rendered list `name` over to Kamailio. False when Kamailio already has it.

        Raises `AgentError` for an unknown name, `ListRefused` for a bad list (the last good one
        stays), `NotYet` for a list that has lost entries while Consul's catalogue is new, and
        `RpcFailed` when Kamailio does not accept it now. A Kamailio that could not be reached finds
        the list when it starts; after `RpcRefused` it finds the one before. After the last
        two errors `pending` still names the list.
        """
        if name not in LISTS:
            raise AgentError(f"list {name!r} is unknown; the lists are {', '.join(LISTS)}")
        kind = LISTS[name]
        if kind.applied_after and (self.folders.rendered / kind.applied_after).exists():
            self._apply_predecessor(kind.applied_after)
        with (self.folders.applied / f".{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # consul-template and the daemon may run it together
            try:
                rendered = (self.folders.rendered / name).read_bytes()
            except FileNotFoundError as error:
                raise ListDamaged(f"{self.folders.rendered / name}: {error.strerror}") from None
            except OSError as error:
                raise AgentError(f"{self.folders.rendered / name}: {error.strerror}") from None
            digest = _digest(rendered)
            if self._applied(name) == digest:
                return False
            text = whole(rendered)
            kind.check(text)
            lost = self._lost_entries(name, text) if kind.lists_instances else []
            if lost and self.catalogue_is_new():
                raise NotYet(f"Consul's catalogue is new; absent from it: {', '.join(lost)}")
            self._swap_in(name, text)
            write(self.folders.applied / name, digest)
        log.info("list applied", list=name, lines=text.count("\n"))
        return True

    def pending(self, names: tuple[str, ...]) -> dict[str, str]:
        """Digest of each list that was rendered, but that Kamailio has not accepted.

        The digest of a list that was accepted, and whose rendered file is gone, is "".
        """
        found = {}
        for name in names:
            applied = self._applied(name)
            try:
                digest = _digest((self.folders.rendered / name).read_bytes())
            except FileNotFoundError:
                digest = ""
            if applied != digest:
                found[name] = digest
        return found

    def repeat(self, name: str) -> None:
        """Hand over the accepted list once more, because a restarted Kamailio has forgotten it.

        Does nothing before the first `apply`. Raises `RpcFailed`.
        """
        if self._applied(name):
            text = (self.folders.live / name).read_text(encoding="utf-8")
            LISTS[name].hand_over(text, self.rpc)

    def _apply_predecessor(self, name: str) -> None:
        """Apply a list that comes first. Its failure does not hold back the other one."""
        try:
            self.apply(name)
        except (AgentError, ListRefused, NotYet, RpcFailed) as error:
            log.warning("list not applied", list=name, error=error)

    def _swap_in(self, name: str, text: str) -> None:
        """Hand the list over; one that Kamailio refuses is not what it starts from next time."""
        live = self.folders.live / name
        before = live.read_text(encoding="utf-8", errors="replace") if live.exists() else None
        write_newer(live, text)
        try:
            self._hand_over(name, text)
        except RpcRefused:
            if before is not None:
                write_newer(live, before)
            raise

    def _hand_over(self, name: str, text: str) -> None:
        """Try again after a pause: Kamailio refuses while another reload is under way."""
        for attempt in range(1, self.attempts + 1):
            try:
                reply = LISTS[name].hand_over(text, self.rpc)
            except RpcFailed as error:
                if attempt == self.attempts:
                    raise
                log.warning("reload repeated", list=name, error=error)
            else:
                log.info("reloaded", list=name, reply=reply)
                return
            self.sleep(PAUSE_S * attempt)

    def _lost_entries(self, name: str, text: str) -> list[str]:
        """Entries of the live list that the new one does not have."""
        live = self.folders.live / name
        if not live.exists():
            return []
        before = live.read_text(encoding="utf-8", errors="replace")
        return sorted(set(entries(before)) - set(entries(text)))

    def _applied(self, name: str) -> str:
        """Digest of the list that Kamailio accepted last; "" when there is none."""
        try:
            return (self.folders.applied / name).read_text(encoding="utf-8")
        except FileNotFoundError:
            return ""


def _digest(rendered: bytes) -> str:
    return hashlib.sha256(rendered).hexdigest()


__all__ = ["Folders", "ListDamaged", "ListRefused", "NotYet", "RpcFailed", "ServiceLists"]
