"""RFC 4475 against the edge: nothing breaks, the valid is served, the invalid stays outside."""

from __future__ import annotations

import re

import pytest

from testbed.sip.addresses import ATTACKER, CALLEE, CALLER, SBC1
from testbed.sip.agent import Agent
from testbed.sip.calls import call_works
from testbed.sip.plane import Cluster
from testbed.sip.processes import everybody
from testbed.sip.raw_messages import hang_up, replies, send
from testbed.sip.sources import forgive
from testbed.sip.torture import MESSAGES, Torture

pytestmark = pytest.mark.sip
QUIET_S = 0.2  # silence is silence after this time


@pytest.fixture(scope="module")
def processes(plane: Cluster) -> dict[str, frozenset[int]]:
    return everybody(plane)


def judge(plane: Cluster, attacker: Agent, callee: Agent, case: Torture) -> int:
    """Send one message; returns its final status, 0 for silence. Checks what went inside."""
    since = len(attacker.received)
    lookups = sum(len(stub.requests) for stub in plane.confds)
    send(attacker, case.data)
    found = replies(attacker, since, 5 if case.is_call else QUIET_S)
    status = found[0].status if found else 0
    asked = sum(len(stub.requests) for stub in plane.confds) - lookups
    if status == 200 and case.data.startswith(b"INVITE"):
        assert asked == 1
        hang_up(attacker, found[0])
    else:
        assert asked == 0, "router-confd was asked"
        assert not callee.received
    return status


@pytest.mark.parametrize("case", MESSAGES, ids=lambda case: case.name)
def test_message_of_rfc_4475(
    plane: Cluster, processes: dict[str, frozenset[int]], attacker: Agent, case: Torture
) -> None:
    caller, callee = plane.ua(CALLER), plane.ua(CALLEE)
    status = judge(plane, attacker, callee, case)
    print(case.section, case.name, status)
    assert status in case.allowed
    assert everybody(plane) == processes
    call_works(caller, callee)


def test_messages_of_rfc_4475_over_tcp(
    plane: Cluster, processes: dict[str, frozenset[int]], attacker: Agent
) -> None:
    """Each on a connection of its own, as a stream that goes wrong cannot be continued."""
    caller, callee = plane.ua(CALLER), plane.ua(CALLEE)
    wrong = {}
    for case in MESSAGES:
        if case.name == "dblreq":  # in a stream the second message is one of its own
            continue
        agent = plane.tcp_ua(ATTACKER, SBC1)
        status = judge(plane, agent, callee, case)
        callee.received.clear()
        forgive(plane)
        # A stream whose length is not known ends, or waits for what was announced.
        if status not in case.allowed | ({0} if b"ontent-Length: 9999" in case.data else set()):
            wrong[case.name] = status
        agent.close()
    assert not wrong
    assert everybody(plane) == processes
    call_works(caller, callee)


def test_every_message_of_the_rfc_is_there() -> None:
    """Sections of the RFC, 49 messages; lengths are right where the RFC means them to be."""
    sections = [f"3.1.1.{n}" for n in range(1, 14)] + [f"3.1.2.{n}" for n in range(1, 20)]
    sections += ["3.2.1", *(f"3.3.{n}" for n in range(1, 16)), "3.4.1"]
    assert [case.section for case in MESSAGES] == sections
    lying = {"clerr", "ncl", "mcl01", "dblreq"}
    for case in MESSAGES:
        head, _, body = case.data.partition(b"\r\n\r\n")
        length = re.search(rb"(?im)^(?:content-length|l)\s*:\s*(-?\d+)", head)
        if length and case.name not in lying:
            assert int(length.group(1)) == len(body), case.name
