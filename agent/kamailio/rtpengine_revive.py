"""Make Kamailio use an rtpengine again that it has disabled, and that answers again.

After one failed command Kamailio does not use an rtpengine of that set until its own timer pings
it again (60 s). If that ping gets no answer, every process that needs an rtpengine has to wait.
Consul does not report an rtpengine that was restarted at once. The agent pings first, so that
Kamailio pings only an rtpengine that answers.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from agent import log
from agent.checks import probes
from agent.kamailio import kamcmd

PING_TIMEOUT_S = 0.2  # it is in the same network, and the next round comes soon
_NODE = re.compile(r"url: (udp:(\S+):(\d+))\n.*?disabled: (\d)\s+active: (\d)", re.DOTALL)


def revive(
    rpc: Callable[..., str] = kamcmd.rpc,
    ping: Callable[[str, int, float], str] = probes.ng_ping,
) -> list[str]:
    """URLs of the rtpengines that Kamailio uses again. Raises `RpcFailed`.

    An rtpengine that was disabled by a command (`disabled`) stays so.
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
