"""Calls of Kamailio's RPC through `kamcmd`, whose exit status says nothing."""

from __future__ import annotations

import subprocess

KAMCMD = "/usr/sbin/kamcmd"
SOCKET = "unix:/run/kamailio/kamailio_ctl"
TIMEOUT_S = 3


class RpcFailed(Exception):
    """Kamailio could not be reached, or refused; the message is what kamcmd printed."""


def rpc(*command: str) -> str:
    """Text of the reply. Raises `RpcFailed` for an error reply: kamcmd exits 0 for those too."""
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
        raise RpcFailed(problem or reply or f"exit status {done.returncode}")
    return reply
