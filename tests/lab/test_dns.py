"""The resolver of the VPC."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest
from dnslib import QTYPE, RCODE, DNSError, DNSRecord

from lab.aws import dns
from lab.names import API

DATABASE = "c4-demo-acme.aaaaaaaaaa.eu-central-1.rds.amazonaws.com"


def databases(name: str) -> list[IPv4Address]:
    return [IPv4Address("10.40.32.9")] if name == DATABASE else []


def ask(name: str, kind: str = "A") -> DNSRecord:
    query = DNSRecord.question(name, kind).pack()
    return DNSRecord.parse(dns.answer(query, dns.resolver(databases)))


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("ec2.eu-central-1.amazonaws.com", str(API)),
        ("EC2.eu-central-1.AmazonAWS.com", str(API)),
        ("rds.eu-central-1.amazonaws.com", str(API)),
        (DATABASE, "10.40.32.9"),
        ("ip-10-40-0-4.eu-central-1.compute.internal", "10.40.0.4"),
    ],
)
def test_address_of_a_name(name: str, address: str) -> None:
    assert [str(r.rdata) for r in ask(name).rr] == [address]


@pytest.mark.parametrize(
    "name",
    ["example.com", "other.aaaaaaaaaa.eu-central-1.rds.amazonaws.com", "amazonaws.com.evil.test"],
)
def test_unknown_names_do_not_exist(name: str) -> None:
    reply = ask(name)
    assert reply.header.rcode == RCODE.NXDOMAIN
    assert not reply.rr


def test_other_record_types_are_empty_not_missing() -> None:
    reply = ask("ec2.eu-central-1.amazonaws.com", "AAAA")
    assert reply.header.rcode == RCODE.NOERROR
    assert not reply.rr
    assert reply.q.qtype == QTYPE.AAAA


@pytest.mark.parametrize("query", [b"", b"\x00", b"\xff" * 40])
def test_garbage_is_an_error_of_its_own(query: bytes) -> None:
    with pytest.raises(DNSError):
        dns.answer(query, databases)
