"""Repetition of a boot step until AWS lets it succeed."""

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


def until_done(what: str, step: Callable[[], T], sleep: Callable[[float], None] = time.sleep) -> T:
    """Result of `step`, repeated without end while it raises `AgentError`.

    Waits grow from 0.5 s to 10 s, each drawn at random from its upper half, so that
    instances of a group that boot together do not ask together.
    """
    wait = FIRST_WAIT_S
    while True:
        try:
            return step()
        except AgentError as error:
            log.warning("step repeated", step=what, error=error, wait_s=wait)
        sleep(random.uniform(wait / 2, wait))
        wait = min(wait * 2, LONGEST_WAIT_S)
