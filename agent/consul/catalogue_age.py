"""Is Consul's catalogue so young that who is absent from it may just not be there yet?

New servers, which have replaced all others at once, know nobody at first. The instances register
themselves one after the other, some only when a failed attempt is repeated. A list must not lose
those who are late: a router that is on no list is a stranger, and its calls are cut. The leader
makes the tier's token anew for a new catalogue, so its age tells.
"""

from __future__ import annotations

import datetime
import http.client
import json

from common import paths

YOUNG = datetime.timedelta(seconds=60)  # an agent repeats a failed registration after 15 to 30 s
TIMEOUT_S = 1.0


def catalogue_is_young() -> bool:
    """True when the tier's token is new, and newer than this instance. False if nobody answers.

    Without pydantic and requests: their import would keep a dead router on the lists for longer.
    """
    try:
        port = json.loads(paths.CONFIG.read_text(encoding="utf-8"))["ports"]["consul_http"]
        booted = datetime.datetime.fromtimestamp(paths.BOOTED.stat().st_mtime, datetime.UTC)
        made = token_made("127.0.0.1", int(port))
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError):
        return False
    return made > booted and datetime.datetime.now(datetime.UTC) - made < YOUNG


def token_made(host: str, port: int) -> datetime.datetime:
    """When the token was made that the Consul agent at this address gives to local callers."""
    connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", "/v1/acl/token/self")
        made = json.load(connection.getresponse())["CreateTime"]
    finally:
        connection.close()
    return datetime.datetime.fromisoformat(made)
