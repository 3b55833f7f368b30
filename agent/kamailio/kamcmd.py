"""Calls of Kamailio's RPC through `kamcmd`, which exits with 0 even for an error reply."""

from __future__ import annotations

import re
import subprocess

KAMCMD = "/usr/sbin/kamcmd"
SOCKET = "unix:/run/kamailio/kamailio_ctl"
TIMEOUT_S = 3
_ERROR_REPLY = re.compile(r"error: \d{3} ")


class RpcFailed(Exception):
    """Kamailio could not be reached, or it refused; the message is kamcmd's output."""


class RpcRefused(RpcFailed):
    """Kamailio was reached, and replied with an error."""


def rpc(*command: str) -> str:
    """Text of the reply. Raises `RpcFailed`, also for an error reply with exit status 0."""
    try:
        done = subprocess.run(
            [KAMCMD, "-s", SOCKET, *command],
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RpcFailed(str(error)) from None
    reply = done.stdout.strip()
    problem = done.stderr.strip()
    if done.returncode != 0 or reply.startswith("error:") or problem.startswith("error:"):
        message = problem or reply or f"exit status {done.returncode}"
        raise RpcRefused(message) if _ERROR_REPLY.match(message) else RpcFailed(message)
    return reply
