"""Bring an rtpengine back that Kamailio has given up, and that answers again.

After one failed command Kamailio leaves an rtpengine out, in that set, until its own timer asks
again (60 s), which stops every process that wants a relay while it waits. Consul does not tell of
one that was started again at once. We ask first, so that Kamailio asks only what answers.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from agent import log
from agent.checks import probes
from agent.kamailio import kamcmd

PING_TIMEOUT_S = 0.2  # in the same network; the next round is soon
_NODE = re.compile(r"url: (udp:(\S+):(\d+))\n.*?disabled: (\d)\s+active: (\d)", re.DOTALL)


def revive(
    rpc: Callable[..., str] = kamcmd.rpc,
    ping: Callable[[str, int, float], str] = probes.ng_ping,
) -> list[str]:
    """URLs of the rtpengines that Kamailio uses again. Raises `RpcFailed`.

    One that was taken out by command (`disabled`) stays out.
    """
    given_up = {
        url: (host, int(port))
        for url, host, port, disabled, is_active in _NODE.findall(rpc("rtpengine.show", "all"))
        if disabled == "0" and is_active == "0"
    }
    back = []
    for url, (host, port) in given_up.items():
        try:
            ping(host, port, PING_TIMEOUT_S)
        except probes.ProbeFailed:
            continue
        rpc("rtpengine.ping", url)
        back.append(url)
        log.info("rtpengine is used again", url=url)
    return back
