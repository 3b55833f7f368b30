"""Parameters of the SIPp scenarios, whose templates are in `templates/`."""

from __future__ import annotations

from dataclasses import dataclass

from rendering.templates import render


@dataclass(frozen=True)
class Caller:
    """A party that places a call, and hangs up after `hold_ms` unless the callee does.

    `expect` is the final status that counts as success; with `username` the first INVITE must
    be challenged with `challenge`, and the second one carries digest credentials. `from_domain`
    is the domain of the From header; the caller's address and port when empty.
    """

    media: bool = False
    expect: int = 200
    hold_ms: int = 200
    callee_hangs_up: bool = False
    username: str = ""
    password: str = ""
    challenge: int = 407
    from_domain: str = ""

    def text(self) -> str:
        return render("sipp/templates/caller.xml.j2", self)


@dataclass(frozen=True)
class Callee:
    """A party that answers after `ring_ms`, refuses with `status`, or does not answer at all.

    With `media` it sends G.711 while the call lasts; with `hangs_up_after_ms` it ends the call.
    With `username` it challenges each INVITE with 401, and refuses with 403 unless the digest of
    the next one is that of `username`, `realm` and `password`.
    """

    media: bool = False
    status: int = 200
    ring_ms: int = 50
    hangs_up_after_ms: int | None = None
    silent: bool = False
    username: str = ""
    password: str = ""
    realm: str = ""

    def text(self) -> str:
        return render("sipp/templates/callee.xml.j2", self)
