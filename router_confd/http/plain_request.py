"""Recognizes the head of a plain HTTP request: what the fast path may answer."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from router_confd.http.errors import MAX_BODY

_REQUEST = re.compile(rb"POST (/[A-Za-z0-9._/-]*) HTTP/1\.1")
_HEADER = re.compile(rb"([A-Za-z-]+): ?([!-~](?:[ -~]*[!-~])?)")
# Any other header may change where the body ends, or whether the connection stays open.
_HEADERS = {b"host", b"user-agent", b"accept", b"content-type", b"content-length"}


class PlainRequest(NamedTuple):
    path: str
    length: int  # of the body, bytes


@lru_cache(maxsize=4096)  # the requests of one router differ in their length only
def recognize(head: bytes) -> PlainRequest | None:
    """The request, when it is a POST of JSON with the usual headers; None for any other head.

    `head` is everything before the empty line.
    """
    line, *lines = head.split(b"\r\n")
    request = _REQUEST.fullmatch(line)
    headers = {}
    for text in lines:
        header = _HEADER.fullmatch(text)
        if header is None or header[1].lower() in headers:
            return None
        headers[header[1].lower()] = header[2]
    length = headers.get(b"content-length", b"")
    if (
        request is None
        or not _HEADERS.issuperset(headers)
        or b"host" not in headers
        or headers.get(b"content-type") != b"application/json"
        or not re.fullmatch(rb"\d{1,6}", length)
        or int(length) > MAX_BODY
    ):
        return None
    return PlainRequest(request[1].decode(), int(length))
