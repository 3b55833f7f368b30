"""The resolver of the VPC: AWS endpoints, databases, private zones, instance names."""

from __future__ import annotations

import logging
import re
import socket
import threading
from collections.abc import Callable
from ipaddress import IPv4Address
from typing import Final

from dnslib import QTYPE, RCODE, RR, A, DNSError, DNSRecord

from lab.aws.views import MOTO, backends
from lab.names import API

log = logging.getLogger(__name__)
TTL: Final = 5  # seconds
INSTANCE_NAME: Final = re.compile(r"^ip-(\d+)-(\d+)-(\d+)-(\d+)\.(\S+\.)?internal$")

Resolve = Callable[[str], list[IPv4Address]]


def answer(query: bytes, resolve: Resolve) -> bytes:
    """The reply to one query. A name without address is NXDOMAIN; only A records are known.

    Raises `DNSError` when the query cannot be read.
    """
    request = DNSRecord.parse(query)
    reply = request.reply(ra=1)
    name = str(request.q.qname).rstrip(".").lower()
    addresses = resolve(name)
    if not addresses:
        reply.header.rcode = RCODE.NXDOMAIN
    elif request.q.qtype == QTYPE.A:
        for address in addresses:
            reply.add_answer(RR(request.q.qname, QTYPE.A, rdata=A(str(address)), ttl=TTL))
    packed: bytes = reply.pack()
    return packed


def resolver(databases: Resolve) -> Resolve:
    """A resolver of names inside the VPC; `databases` resolves the endpoints of RDS."""

    def resolve(name: str) -> list[IPv4Address]:
        if match := INSTANCE_NAME.match(name):
            return [IPv4Address(".".join(match.group(1, 2, 3, 4)))]
        if name.endswith(".rds.amazonaws.com"):
            return databases(name)
        if name.endswith(".amazonaws.com") or name == "amazonaws.com":
            return [API]
        return private_zone(name)

    return resolve


def private_zone(name: str) -> list[IPv4Address]:
    """A records of Route 53."""
    with MOTO:
        records = [
            record
            for _, route53 in backends("route53")
            for zone in route53.zones.values()
            for record in zone.rrsets
            if record.name.rstrip(".").lower() == name and record.type_ == "A"
        ]
        return [IPv4Address(r) for record in records[:1] for r in record.records or ()]


def serve(sock: socket.socket, resolve: Resolve) -> threading.Thread:
    """Answer queries on `sock` in a thread of its own until the socket closes."""

    def work() -> None:
        while True:
            try:
                query, client = sock.recvfrom(4096)
            except OSError:
                return
            try:
                sock.sendto(answer(query, resolve), client)
            except (DNSError, ValueError) as error:
                log.warning("dns: query from %s ignored: %s", client[0], error)
            except Exception:  # one bad record must not end the resolver
                log.exception("dns: query from %s failed", client[0])

    thread = threading.Thread(target=work, name="dns", daemon=True)
    thread.start()
    return thread
