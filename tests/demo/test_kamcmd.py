"""Is what kamcmd prints read rightly?"""

from __future__ import annotations

import pytest

from demo import kamcmd

DISPATCHER = """{
\tNRSETS: 2
\tRECORDS: {
\t\tSET: {
\t\t\tID: 1
\t\t\tTARGETS: {
\t\t\t\tDEST: {
\t\t\t\t\tURI: sip:10.40.64.4:5070
\t\t\t\t\tFLAGS: AP
\t\t\t\t\tPRIORITY: 0
\t\t\t\t}
\t\t\t\tDEST: {
\t\t\t\t\tURI: sip:10.40.80.4:5070;transport=udp
\t\t\t\t\tFLAGS: IP
\t\t\t\t\tPRIORITY: 0
\t\t\t\t}
\t\t\t}
\t\t}
\t\tSET: {
\t\t\tID: 2
\t\t\tTARGETS: {
\t\t\t\tDEST: {
\t\t\t\t\tURI: sip:10.40.64.4:5070
\t\t\t\t\tFLAGS: AP
\t\t\t\t}
\t\t\t}
\t\t}
\t}
}
"""
DIALOGS = """{
\th_entry: 17
\tcall-id: 1-aaa@198.51.100.10
\tvariables: {
\t\t{
\t\t\trouter: sip:10.40.64.4:5070
\t\t}
\t}
}
{
\th_entry: 18
\tcall-id: 1-bbb@198.51.100.10
\tvariables: {
\t}
}
"""


def test_dispatcher_list_gives_each_destination_with_its_set_and_state() -> None:
    found = kamcmd.destinations(DISPATCHER)

    assert [(d.set_id, d.host, d.active) for d in found] == [
        (1, "10.40.64.4", True),
        (1, "10.40.80.4", False),
        (2, "10.40.64.4", True),
    ]


def test_empty_dispatcher_list_gives_nothing() -> None:
    assert kamcmd.destinations("{\n\tNRSETS: 0\n\tRECORDS: {\n\t}\n}\n") == []


def test_statistic_is_found_by_its_whole_name() -> None:
    text = "core:rcv_requests = 12\ncore:rcv_requests_invite = 3\n"

    assert kamcmd.statistic(text, "core:rcv_requests_invite") == 3
    with pytest.raises(KeyError):
        kamcmd.statistic(text, "core:rcv")


def test_dialog_is_the_block_of_that_call_only() -> None:
    block = kamcmd.dialog(DIALOGS, "1-aaa@198.51.100.10")

    assert kamcmd.variable(block, "router") == "sip:10.40.64.4:5070"
    assert kamcmd.variable(block, "router2") == ""
    assert "1-bbb" not in block
    assert kamcmd.dialog(DIALOGS, "1-ccc@198.51.100.10") == ""


@pytest.mark.parametrize(
    ("uri", "host"),
    [
        ("sip:10.0.0.1:5070", "10.0.0.1"),
        ("<sip:alice@10.0.0.2>;tag=1", "10.0.0.2"),
        ("sip:router.acme.c4.internal", ""),
        ("", ""),
    ],
)
def test_host_of_uri(uri: str, host: str) -> None:
    assert kamcmd.host_of(uri) == host
