"""SIP messages that a SIPp process has sent and received, from its message log."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from itertools import zip_longest
from pathlib import Path

_HEAD = re.compile(
    r"^-{20,} (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+)\n\w+ message (sent|received) .*:\n\n",
    re.MULTILINE,
)


@dataclass(frozen=True)
class Message:
    """One message; `at` is the local time."""

    at: datetime
    sent: bool
    text: str

    @cached_property
    def start(self) -> str:
        """Request line or status line."""
        return self.text.partition("\r\n")[0]

    @property
    def method(self) -> str:
        """Method of the request; of a response, "" (see `cseq`)."""
        return "" if self.status else self.start.partition(" ")[0]

    @property
    def status(self) -> int:
        """Status of the response; 0 for a request."""
        version, _, rest = self.start.partition(" ")
        return int(rest[:3]) if version == "SIP/2.0" else 0

    @property
    def call_id(self) -> str:
        return self.header("Call-ID")

    @property
    def cseq(self) -> tuple[int, str]:
        """Number and method."""
        number, _, method = self.header("CSeq").partition(" ")
        return int(number), method

    def header(self, name: str) -> str:
        """Value of the first header `name`; "" when there is none."""
        for line in self.text.partition("\r\n\r\n")[0].split("\r\n")[1:]:
            key, _, value = line.partition(":")
            if key.strip().lower() == name.lower():
                return value.strip()
        return ""


def read(folder: Path) -> list[Message]:
    """All messages of the SIPp process whose files are in `folder`, oldest first."""
    path = folder / "messages.log"
    if not path.exists():
        return []
    # newline="": the lines of SIP end in CR LF, SIPp's own in LF
    with path.open(encoding="utf-8", errors="replace", newline="") as file:
        return list(_messages(file.read().replace("\t", " ")))


def _messages(log: str) -> Iterator[Message]:
    heads = list(_HEAD.finditer(log))
    for head, following in zip_longest(heads, heads[1:]):
        end = following.start() if following else len(log)
        at = datetime.fromisoformat(head[1])
        yield Message(at, head[2] == "sent", log[head.end() : end].removesuffix("\n"))


@dataclass(frozen=True)
class Attempt:
    """An INVITE that a party received; `status` is its final answer, None without one."""

    at: datetime
    party: str
    status: int | None

    def __str__(self) -> str:
        return f"{self.party} {self.status or 'no answer'}"


def attempts(party: str, messages: list[Message]) -> dict[str, list[Attempt]]:
    """By Call-ID, the INVITEs that `party` received and its answers, without retransmissions.

    The log may be read while a call is still in progress.
    """
    invites: dict[tuple[str, str], Message] = {}
    answers: dict[tuple[str, str], int] = {}
    for message in messages:
        transaction = (message.call_id, message.header("Via").partition("branch=")[2])
        if not message.sent and message.method == "INVITE" and ";tag=" not in message.header("To"):
            invites.setdefault(transaction, message)
        elif message.sent and message.status >= 200 and message.cseq[1] == "INVITE":
            answers.setdefault(transaction, message.status)
    found: dict[str, list[Attempt]] = {}
    for transaction, invite in invites.items():
        attempt = Attempt(invite.at, party, answers.get(transaction))
        found.setdefault(invite.call_id, []).append(attempt)
    return found
