"""Is SIPp's message log read rightly?"""

from __future__ import annotations

from pathlib import Path

from sipp import messages

LOG = (
    "----------------------------------------------- 2026-11-23\t17:48:02.354674\n"
    "UDP message received [519] bytes :\n\n"
    "INVITE sip:100@127.0.0.3 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.2:5080;branch=z9hG4bK-1\r\n"
    "To: <sip:100@127.0.0.3>\r\nCall-ID: 1-a@127.0.0.2\r\nCSeq: 1 INVITE\r\n"
    "Content-Length: 5\r\n\r\nv=0\r\n\n"
    "----------------------------------------------- 2026-11-23 17:48:02.354784\n"
    "UDP message sent (382 bytes):\n\n"
    "SIP/2.0 503 Refused\r\nVia: SIP/2.0/UDP 127.0.0.2:5080;branch=z9hG4bK-1\r\n"
    "Call-ID: 1-a@127.0.0.2\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n\n"
    "----------------------------------------------- 2026-11-23 17:48:03.000000\n"
    "UDP message received [519] bytes :\n\n"
    "INVITE sip:100@127.0.0.3 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.2:5080;branch=z9hG4bK-2\r\n"
    "To: <sip:100@127.0.0.3>\r\nCall-ID: 2-a@127.0.0.2\r\nCSeq: 1 INVITE\r\n"
    "Content-Length: 0\r\n\r\n\n"
    "----------------------------------------------- 2026-11-23 17:48:03.500000\n"
    "UDP message received [519] bytes :\n\n"
    "INVITE sip:100@127.0.0.3 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.2:5080;branch=z9hG4bK-2\r\n"
    "To: <sip:100@127.0.0.3>\r\nCall-ID: 2-a@127.0.0.2\r\nCSeq: 1 INVITE\r\n"
    "Content-Length: 0\r\n\r\n\n"
)


def test_messages_of_a_log(tmp_path: Path) -> None:
    (tmp_path / "messages.log").write_bytes(LOG.encode())

    invite, refusal, *_ = messages.read(tmp_path)

    assert (invite.sent, invite.method, invite.status) == (False, "INVITE", 0)
    assert invite.start == "INVITE sip:100@127.0.0.3 SIP/2.0"
    assert invite.text.endswith("v=0\r\n")
    assert (refusal.sent, refusal.method, refusal.status) == (True, "", 503)
    assert refusal.cseq == (1, "INVITE")
    assert refusal.header("content-length") == "0"
    assert invite.at < refusal.at


def test_attempts_tell_refused_and_unanswered_without_retransmissions(tmp_path: Path) -> None:
    (tmp_path / "messages.log").write_bytes(LOG.encode())

    found = messages.attempts("carrier", messages.read(tmp_path))

    assert {call: [str(one) for one in many] for call, many in found.items()} == {
        "1-a@127.0.0.2": ["carrier 503"],
        "2-a@127.0.0.2": ["carrier no answer"],
    }


def test_no_log_has_no_messages(tmp_path: Path) -> None:
    assert messages.read(tmp_path) == []
    (tmp_path / "messages.log").touch()
    assert messages.read(tmp_path) == []
