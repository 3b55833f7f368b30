"""Repeat a step of the boot until AWS lets it succeed."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

from agent import log
from agent.errors import AgentError

T = TypeVar("T")
FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 10.0


def repeat_until_success(
    what: str, step: Callable[[], T], sleep: Callable[[float], None] = time.sleep
) -> T:
    """The result of `step`, which is repeated without limit while it raises `AgentError`.

    The waits grow from 0.5 s to 10 s. Each is drawn at random from its upper half, so that
    instances which boot together do not send their requests together.
    """
    wait = FIRST_WAIT_S
    while True:
        try:
            return step()
        except AgentError as error:
            log.warning("step repeated", step=what, error=error, wait_s=wait)
        sleep(random.uniform(wait / 2, wait))
        wait = min(wait * 2, LONGEST_WAIT_S)
