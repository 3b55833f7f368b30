"""Every kind of call, with every end, over every transport: 54 calls that run at the same time.

A call's far end speaks another transport than its near end in two of three kinds, so all nine
pairs of transports occur. One call more is forgotten by both ends: the limit of calls ends it."""

from __future__ import annotations

import hashlib
import itertools
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from agent.consul import pki
from common import ports
from settings import load
from testbed.sip.addresses import CALLEE, CALLER, RTPS, SBCS
from testbed.sip.agent import Agent, Call, Result, sdp
from testbed.sip.media import relaying
from testbed.sip.node import Node
from testbed.sip.plane import Cluster, cluster, wait_until, with_sip
from testbed.sip.records import records
from testbed.sip.router_confd_stub import answer

pytestmark = [pytest.mark.sip, pytest.mark.slow, pytest.mark.timeout(600)]

KINDS = ("did", "domain", "digest")
ENDS = ("answered", "refused", "cancelled", "unanswered", "reinvite", "long")
TRANSPORTS = ("udp", "tcp", "tls")
SBC1 = SBCS["sbc1"][1]
PBX = "198.51.100.30"  # calls out with a digest
RINGING_S, MAX_CALL_S, LONG_S, TALK_S = 10, 60, 54.0, 1.2
USERNAME, PASSWORD = "alice", "secret"
RELAYS = [public for _, public in RTPS.values()]

# Status at the caller, what the callee is sent until the call is answered or not, seconds of talk.
EXPECTED = {
    "answered": (200, ["INVITE", "ACK"], (1, 3)),
    "refused": (486, ["INVITE", "ACK"], (0, 0)),
    "cancelled": (487, ["INVITE", "CANCEL", "ACK"], (0, 0)),
    "unanswered": (408, ["INVITE", "CANCEL", "ACK"], (0, 0)),
    "reinvite": (200, ["INVITE", "ACK"], (0, 10)),
    "long": (200, ["INVITE", "ACK"], (LONG_S, LONG_S + 5)),
}
# What each side then offers anew, in turn, after a pause: hold and resume, or a session's refresh.
AGAIN = {"reinvite": (0.1, ["sendonly", "sendrecv"]), "long": (LONG_S / 3, ["sendrecv"])}


@dataclass
class Case:
    """One call of the matrix, and what came of it."""

    kind: str
    end: str
    near: str
    number: int
    call: Call | None = None
    callee: Agent | None = None
    result: Result | None = None
    again: list[tuple[str, Result]] = field(default_factory=list)
    bye: Result | None = None
    relayed: list[str] = field(default_factory=list)  # rtpengines that knew the call
    error: BaseException | None = None

    @property
    def far(self) -> str:
        return TRANSPORTS[(TRANSPORTS.index(self.near) + KINDS.index(self.kind)) % 3]

    @property
    def user(self) -> str:
        return f"desk{self.number}" if self.kind == "domain" else f"+493055510{self.number:02}"

    @property
    def address(self) -> str:
        return PBX if self.kind == "digest" else CALLER

    @property
    def port(self) -> int:
        """Of the callee: each way to end has its own."""
        manner = {"refused": 1, "cancelled": 2, "unanswered": 2}.get(self.end, 0)
        return 5080 + 10 * manner + TRANSPORTS.index(self.far)

    @property
    def caller_hangs_up(self) -> bool:
        return self.number % 2 == 1

    def __str__(self) -> str:
        return f"{self.kind}-{self.end}-{self.near}"


@dataclass
class Aftermath:
    """What is left of the calls, by Call-ID: nodes with the dialog, records, rtpengines."""

    dialogs: dict[str, list[str]]
    records: dict[str, list[dict[str, Any]]]
    media: dict[str, list[str]]


CASES = [
    Case(kind, end, near, number)
    for number, (kind, end, near) in enumerate(itertools.product(KINDS, ENDS, TRANSPORTS))
]
FORGOTTEN = Case("did", "answered", "udp", 99)
WARM_UP = Case("did", "answered", "udp", 98)
NUMBERED = {case.user: case for case in (*CASES, FORGOTTEN, WARM_UP)}


def at(address: str, transport: str) -> str:
    """Host, port and parameter by which `transport` is spoken there."""
    port = ports.SIPS.number if transport == "tls" else ports.SIP.number
    return f"{address}:{port}" + ("" if transport == "udp" else f";transport={transport}")


def routing(question: dict[str, Any]) -> dict[str, Any]:
    """The recorded answer for the number or name that was dialled."""
    case = NUMBERED[question["request_uri"].split(":")[1].split("@")[0]]
    parameter = "" if case.far == "udp" else f";transport={case.far}"
    made = answer(
        f"sip:{CALLEE}:{case.port}{parameter}", uri=f"sip:{case.user}@{CALLEE}:{case.port}"
    )
    party, called = made["auth"], made["rtjson"]["routes"][0]
    if case.kind == "digest":
        ha1 = hashlib.md5(f"{USERNAME}:{PBX}:{PASSWORD}".encode()).hexdigest()
        party |= {"username": USERNAME, "domain": PBX, "password_ha1": ha1}
        party |= {"carrier_trunk_id": None, "ipbx_id": 7}
        called["carrier_trunk_id"] = 12
    else:
        party["carrier_trunk_id"] = 11
        called["ipbx_id"] = 8
    return made


@pytest.fixture(scope="module")
def plane(image_root: tuple[Path, ...]) -> Iterator[Cluster]:
    authority = pki.new_authority("carriers of the matrix")
    deployment = with_sip(
        load("demo"),
        tls={"authorities": authority.certificate},
        timers={"ringing_timeout_s": RINGING_S, "max_call_s": MAX_CALL_S},
        connections={
            "idle_s": 30,  # a session refresh keeps a connection
            "untrusted_idle_s": 5,
        },
        edge={"untrusted_calls_per_10s": 200},
    )
    with cluster(image_root, deployment, authority=authority) as made:
        for stub in made.confds:
            stub.decide = routing
        yield made


def caller_of(plane: Cluster, case: Case) -> Agent:
    if case.near == "udp":
        return plane.ua(case.address, 5100 + case.number)
    connect = plane.tls_ua if case.near == "tls" else plane.tcp_ua
    return connect(
        case.address, (SBC1, ports.SIPS.number if case.near == "tls" else ports.SIP.number)
    )


def callees(plane: Cluster) -> dict[int, Agent]:
    """By port: those that answer, refuse, and ring on, over each transport."""
    made: dict[int, Agent] = {}
    for port, case in {case.port: case for case in CASES}.items():
        if case.far == "udp":
            made[port] = plane.ua(CALLEE, port)
        else:
            context = plane.server_context(CALLEE) if case.far == "tls" else None
            made[port] = plane.server_ua(CALLEE, port, context)
        made[port].answer = {"refused": 486, "cancelled": 0, "unanswered": 0}.get(case.end, 200)
    return made


def place(plane: Cluster, case: Case, caller: Agent, callee: Agent) -> None:
    """The call from INVITE to its end, which the case keeps."""
    domain = "pbx.example" if case.kind == "domain" else ""
    port = ports.SIPS.number if case.near == "tls" else ports.SIP.number
    call = case.call = caller.call((SBC1, port), user=case.user, domain=domain)
    extra = ""
    if case.kind == "digest":
        challenge = call.invite().message
        assert challenge is not None
        assert challenge.status == 407
        extra = call.digest(challenge, USERNAME, PASSWORD)
    cancel_after = 0.5 if case.end == "cancelled" else None
    case.callee = callee
    case.result = call.invite(extra=extra, cancel_after=cancel_after, timeout=RINGING_S + 6)
    if case.result.status != 200:
        return
    call.ack()
    other = callee.calls[call.call_id]
    wait_until(lambda: other.state == "confirmed", 5, "ACK at the callee")
    case.relayed = relaying(plane, call.call_id)
    if case.end == "answered":
        time.sleep(TALK_S)
    pause, directions = AGAIN.get(case.end, (0.0, []))
    for end in (call, other):
        for direction in directions:
            time.sleep(pause)
            result = end.request("INVITE", body=sdp(end.agent.address[0], 6000, direction))
            case.again.append((direction, result))
            end.ack()
    if case is FORGOTTEN:
        time.sleep(MAX_CALL_S / 2)
        assert call.request("INFO").status == 200  # the limit is that of the call, not of silence
    else:
        time.sleep(pause)
        case.bye = (call if case.caller_hangs_up else other).bye()


@pytest.fixture(scope="module")
def aftermath(plane: Cluster) -> Aftermath:
    """All calls of the matrix, and what is left of them when the last has ended."""
    far = callees(plane)
    for address in (PBX, CALLER):  # known from now on
        place(plane, replace(WARM_UP), plane.ua(address), far[WARM_UP.port])
    everything = [FORGOTTEN, *CASES]
    callers = [caller_of(plane, case) for case in everything]

    def run(case: Case, caller: Agent) -> None:
        time.sleep(0.05 * everything.index(case))  # 20 calls/s
        try:
            place(plane, case, caller, far[case.port])
        except Exception as error:  # raised by the case's own test
            case.error = error

    with ThreadPoolExecutor(len(everything)) as pool:
        list(pool.map(run, everything, callers))
    nodes = plane.tier("sbc") + plane.tier("rtr")
    ids = {case.call.call_id: case for case in everything if case.call}

    def dialogs() -> dict[str, list[str]]:
        listed = {node.name: living(node) for node in nodes}
        return {i: [name for name, known in listed.items() if i in known] for i in ids}

    end = time.monotonic() + 20
    while any(dialogs().values()) and time.monotonic() < end:
        time.sleep(0.5)
    return Aftermath(
        dialogs(),
        {i: records(plane, i) for i in ids},
        {i: relaying(plane, i) for i in ids},
    )


def living(node: Node) -> set[str]:
    """Call-IDs of the node's dialogs. One that has ended (state 5) may stay for two minutes: 6.0.1
    forgets that of a challenged INVITE only then."""
    found, call_id = set(), ""
    for line in map(str.strip, node.rpc("dlg.list").splitlines()):
        if line.startswith("call-id: "):
            call_id = line.split()[1]
        elif line.startswith("state: ") and line != "state: 5":
            found.add(call_id)
    return found


def methods(agent: Agent, call: Call) -> list[str]:
    """Requests of the call as they came; repetitions, and the ACK's second way, once."""
    seen = dict.fromkeys(
        (m.cseq, m.method) for m in list(agent.received)
        if not m.is_reply and m.call_id == call.call_id
    )  # fmt: skip
    return [method for _, method in seen]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_call(aftermath: Aftermath, case: Case) -> None:
    if case.error:
        raise case.error
    status, first, talk = EXPECTED[case.end]
    _, directions = AGAIN.get(case.end, (0.0, []))
    call, result = case.call, case.result
    assert call is not None
    assert result is not None
    caller, callee = call.agent, case.callee
    assert callee is not None

    # what either side saw
    assert result.status == status
    if case.end == "unanswered":
        assert RINGING_S - 1 < result.seconds < RINGING_S + 4
    assert [(d, r.status) for d, r in case.again] == [(d, 200) for d in 2 * directions]
    repeated = len(directions) * ["INVITE", "ACK"]
    bye = ["BYE"] if status == 200 else []
    assert methods(callee, call) == first + repeated + (bye if case.caller_hangs_up else [])
    assert methods(caller, call) == repeated + ([] if case.caller_hangs_up else bye)
    assert case.bye is None or case.bye.status == 200
    assert (case.bye is not None) == bool(bye)
    if case.end == "reinvite":
        for agent in (caller, callee):
            offers = [m.body for m in agent.seen("INVITE", call.call_id)][-2:]
            assert ["a=sendonly" in body for body in offers] == [True, False]

    # transports on both sides
    assert (caller.transport, callee.transport) == (case.near.upper(), case.far.upper())
    invite = callee.seen("INVITE", call.call_id)[0]
    assert invite.get("Via").startswith(f"SIP/2.0/{callee.transport} {at(SBC1, case.far)[:17]}")
    assert invite.contact.endswith(at(SBC1, case.far))
    assert invite.record_routes[0].startswith(f"<sip:{at(SBC1, case.far)};r2=on")
    ringing = next(m for m in call.replies if m.status == 180)
    assert ringing.get("Via").startswith(f"SIP/2.0/{caller.transport} {case.address}:")
    assert ringing.contact.endswith(at(SBC1, case.near))
    assert ringing.record_routes[-1].startswith(f"<sip:{at(SBC1, case.near)};r2=on")

    # media: only through one relay, which has forgotten the call
    bodies = [invite.body] + ([result.message.body] if result.message and bye else [])
    for body in bodies:
        assert sum(f"c=IN IP4 {relay}" in body for relay in RELAYS) == 1
    assert len(case.relayed) == (1 if bye else 0)
    assert aftermath.media[call.call_id] == []

    # one record, no dialog
    (record,) = aftermath.records[call.call_id]
    digest = case.kind == "digest"
    assert record["from_uri"] == f"sip:caller@{case.address}"
    assert record["to_uri"].startswith(f"sip:{case.user}@")
    assert (record["source_ip"], record["source_port"]) == caller.address
    assert record["tenant_uuid"] == answer()["auth"]["tenant_uuid"]
    parties = (7, 12) if digest else (8, 11)
    assert (record["ipbx_id"], record["carrier_trunk_id"]) == parties
    assert talk[0] <= record["duration"] <= talk[1]
    assert aftermath.dialogs[call.call_id] == []


def test_all_pairs_of_transports_occur() -> None:
    assert {(case.near, case.far) for case in CASES} == set(itertools.product(TRANSPORTS, repeat=2))


def test_forgotten_call_ends_at_the_limit(aftermath: Aftermath) -> None:
    """Nobody hangs up: we do, on both sides; the dialog and the relay's ports must not stay."""
    call = FORGOTTEN.call
    assert call is not None
    assert FORGOTTEN.error is None
    callee = FORGOTTEN.callee
    assert callee is not None
    for agent, own, far in (
        (call.agent, call.local_tag, call.remote_tag),
        (callee, call.remote_tag, call.local_tag),
    ):
        byes = agent.seen("BYE", call.call_id)
        assert {(m.tag("From"), m.tag("To")) for m in byes} == {(far, own)}
        assert len({m.get("Via") for m in byes}) <= 2  # one of each router
        assert "10.40." not in str(byes[0].headers)
    (record,) = aftermath.records[call.call_id]
    assert MAX_CALL_S - 1 <= record["duration"] <= MAX_CALL_S + 5
    assert aftermath.dialogs[call.call_id] == []
    assert len(FORGOTTEN.relayed) == 1
    assert aftermath.media[call.call_id] == []


def test_no_record_is_sent_again(plane: Cluster, aftermath: Aftermath) -> None:
    assert [router.rpc("htable.dump", "unconfirmed_records") for router in plane.tier("rtr")] == [
        "",
        "",
    ]


def test_dialled_names_are_never_looked_up(plane: Cluster, aftermath: Aftermath) -> None:
    """It would stop a process while a name server that a caller chose takes its time."""
    assert [node.logged("resolve host") for node in plane.nodes.values()] == [0] * len(plane.nodes)
