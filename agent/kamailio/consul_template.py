"""consul-template, which renders Kamailio's lists."""

from __future__ import annotations

import os
import signal

from agent import log
from common import paths


def render_again() -> None:
    """Let consul-template write each list whose file is not what it would render.

    By itself it writes a list when the catalogue changes, and does not notice that a file was
    damaged. It starts anew on SIGHUP. One that does not run renders everything when it starts.
    """
    try:
        os.kill(int(paths.CONSUL_TEMPLATE_PID.read_text(encoding="utf-8")), signal.SIGHUP)
    except (OSError, ValueError) as error:
        log.warning("lists not rendered again", error=error)
    else:
        log.info("lists are rendered again")
