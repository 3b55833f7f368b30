"""A rendered list becomes Kamailio's: checked, swapped in one step, reloaded, remembered."""

from __future__ import annotations

import fcntl
import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from agent import log
from agent.consul.catalogue_age import catalogue_is_young
from agent.errors import AgentError
from agent.files.atomic import write, write_newer
from agent.kamailio import kamcmd
from agent.kamailio.kamcmd import RpcFailed
from agent.kamailio.lists import LISTS, ListRefused, entries
from common import paths

ATTEMPTS = 4
PAUSE_S = 0.3


class NotYet(Exception):
    """A list that may be good later; the message says what it waits for."""


@dataclass(frozen=True)
class Places:
    """Folders of a list's three forms."""

    rendered: Path = paths.RENDERED
    live: Path = paths.KAMAILIO
    applied: Path = paths.APPLIED


def apply(
    name: str,
    places: Places = Places(),
    rpc: Callable[..., str] = kamcmd.rpc,
    sleep: Callable[[float], None] = time.sleep,
    attempts: int = ATTEMPTS,
    young: Callable[[], bool] = catalogue_is_young,
) -> bool:
    """Hand the rendered list `name` to Kamailio; False when it has it already.

    Raises `AgentError` for an unknown name, `ListRefused` for a bad list (the last good one
    stays), `NotYet` for one that has lost somebody while Consul's catalogue is young,
    `RpcFailed` when Kamailio does not take it now: it is swapped in then. `pending` still names
    the list after these two.
    """
    if name not in LISTS:
        raise AgentError(f"list {name!r} is unknown; there are {', '.join(LISTS)}")
    kind = LISTS[name]
    if kind.after and (places.rendered / kind.after).exists():
        _apply_before(kind.after, places, rpc, sleep, attempts, young)
    with (places.applied / f".{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # consul-template and the daemon may come together
        try:
            text = (places.rendered / name).read_text(encoding="utf-8")
        except OSError as error:
            raise AgentError(f"{places.rendered / name}: {error.strerror}") from None
        digest = _digest(text)
        if _applied(places, name) == digest:
            return False
        kind.check(text)
        if kind.instances and (gone := _gone(places.live / name, text)) and young():
            raise NotYet(f"Consul's catalogue is new; absent from it: {', '.join(gone)}")
        write_newer(places.live / name, text)
        _hand_over(name, text, rpc, sleep, attempts)
        write(places.applied / name, digest)
    log.info("list applied", list=name, lines=text.count("\n"))
    return True


def _apply_before(
    name: str,
    places: Places,
    rpc: Callable[..., str],
    sleep: Callable[[float], None],
    attempts: int,
    young: Callable[[], bool],
) -> None:
    """Apply a list that comes first; its own failure does not keep the other one back."""
    try:
        apply(name, places, rpc, sleep, attempts, young)
    except (AgentError, ListRefused, NotYet, RpcFailed) as error:
        log.warning("list not applied", list=name, error=error)


def pending(names: tuple[str, ...], places: Places = Places()) -> dict[str, str]:
    """Digest of each list that was rendered, but that Kamailio has not taken."""
    found = {}
    for name in names:
        rendered = places.rendered / name
        if not rendered.exists():
            continue
        digest = _digest(rendered.read_text(encoding="utf-8"))
        if _applied(places, name) != digest:
            found[name] = digest
    return found


def repeat(name: str, places: Places = Places(), rpc: Callable[..., str] = kamcmd.rpc) -> None:
    """Hand over once more the list that Kamailio has accepted: it forgot if it was restarted.

    Does nothing before the first `apply`. Raises `RpcFailed`.
    """
    if _applied(places, name):
        LISTS[name].hand_over((places.live / name).read_text(encoding="utf-8"), rpc)


def _hand_over(
    name: str,
    text: str,
    rpc: Callable[..., str],
    sleep: Callable[[float], None],
    attempts: int,
) -> None:
    """Again after a pause: Kamailio refuses while another reload is under way."""
    for attempt in range(1, attempts + 1):
        try:
            reply = LISTS[name].hand_over(text, rpc)
        except RpcFailed as error:
            if attempt == attempts:
                raise
            log.warning("reload repeated", list=name, error=error)
        else:
            log.info("reloaded", list=name, reply=reply)
            return
        sleep(PAUSE_S * attempt)


def _gone(live: Path, text: str) -> list[str]:
    """Lines of the live list that the new one has not."""
    if not live.exists():
        return []
    return sorted(set(entries(live.read_text(encoding="utf-8"))) - set(entries(text)))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _applied(places: Places, name: str) -> str:
    try:
        return (places.applied / name).read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""


__all__ = ["ListRefused", "NotYet", "Places", "RpcFailed", "apply", "pending", "repeat"]
