"""Tell a new catalogue of Consul, which may still be incomplete, from an old one.

Servers that have replaced all others at once start with an empty catalogue. The instances
register themselves one after the other, some only when they repeat a failed attempt. A list must
not lose the late ones: a router that is on no list is untrusted, and its calls are cut. The leader
creates the tier's token again for a new catalogue, so the age of the token is that of the
catalogue.
"""

from __future__ import annotations

import datetime
import http.client
import json

from common import paths

NEW_FOR = datetime.timedelta(seconds=60)  # an agent repeats a failed registration after 15 to 30 s
TIMEOUT_S = 1.0


def catalogue_is_new() -> bool:
    """True when the tier's token is new, and newer than this instance. False without an answer.

    It uses neither pydantic nor requests: importing them would keep a dead router on the lists
    for longer.
    """
    try:
        port = json.loads(paths.CONFIG.read_text(encoding="utf-8"))["ports"]["consul_http"]
        booted = datetime.datetime.fromtimestamp(paths.BOOTED.stat().st_mtime, datetime.UTC)
        made = token_made("127.0.0.1", int(port))
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError):
        return False
    return made > booted and datetime.datetime.now(datetime.UTC) - made < NEW_FOR


def token_made(host: str, port: int) -> datetime.datetime:
    """When the token was created that the Consul agent at this address uses for local callers."""
    connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", "/v1/acl/token/self")
        made = json.load(connection.getresponse())["CreateTime"]
    finally:
        connection.close()
    return datetime.datetime.fromisoformat(made)
