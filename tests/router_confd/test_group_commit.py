"""Writes that arrive together are committed together, and each hears its own outcome."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from router_confd.cdr.group_commit import Entry, GroupCommit

INTERVAL = 0.05  # seconds
Commit = Callable[[list[Entry[int]]], Awaitable[None]]


class Log:
    """Commits what it is given; odd numbers from 100 on are refused."""

    def __init__(self, takes_s: float = 0) -> None:
        self.batches: list[list[int]] = []
        self.takes_s = takes_s

    async def __call__(self, entries: list[Entry[int]]) -> None:
        self.batches.append([entry.item for entry in entries])
        await asyncio.sleep(self.takes_s)
        for entry in entries:
            if entry.item > 100 and entry.item % 2:
                entry.fail(ValueError(entry.item))
            else:
                entry.succeed()


async def _put(group: GroupCommit[int], *items: int) -> list[BaseException | None]:
    return await asyncio.gather(*map(group.put, items), return_exceptions=True)


def test_one_alone_does_not_wait() -> None:
    log = Log()

    async def run() -> float:
        group = GroupCommit(log, INTERVAL, 10)
        started = time.monotonic()
        await group.put(1)
        return time.monotonic() - started

    assert asyncio.run(run()) < INTERVAL / 2
    assert log.batches == [[1]]


def test_what_follows_soon_waits_for_the_interval_and_goes_together() -> None:
    log = Log()

    async def run() -> float:
        group = GroupCommit(log, INTERVAL, 10)
        started = time.monotonic()
        await group.put(1)
        await asyncio.gather(group.put(2), group.put(3), group.put(4))
        return time.monotonic() - started

    assert asyncio.run(run()) >= INTERVAL * 0.9
    assert log.batches == [[1], [2, 3, 4]]


def test_what_comes_during_a_commit_goes_together() -> None:
    log = Log(takes_s=2 * INTERVAL)

    async def run() -> None:
        group = GroupCommit(log, INTERVAL, 3)
        first = group.put(1)
        await asyncio.sleep(INTERVAL)
        assert await _put(group, 2, 3, 4, 5) == [None] * 4
        await first

    asyncio.run(run())
    assert log.batches == [[1], [2, 3, 4], [5]], "and no more than `largest` at a time"


def test_each_hears_its_own_outcome() -> None:
    async def run() -> list[BaseException | None]:
        return await _put(GroupCommit(Log(), INTERVAL, 10), 1, 101, 2)

    good, bad, other = asyncio.run(run())
    assert (good, other) == (None, None)
    assert isinstance(bad, ValueError)


def test_a_commit_that_breaks_leaves_nobody_waiting_and_the_next_one_works() -> None:
    broken = [True]

    async def commit(entries: list[Entry[int]]) -> None:
        if broken:
            entries[0].succeed()
            raise RuntimeError(broken.pop())
        for entry in entries:
            entry.succeed()

    async def run() -> tuple[list[BaseException | None], list[BaseException | None]]:
        group = GroupCommit(commit, INTERVAL, 10)
        return await _put(group, 1, 2), await _put(group, 3)

    (first, second), after = asyncio.run(run())
    assert first is None
    assert isinstance(second, RuntimeError)
    assert after == [None]


def test_a_sender_that_went_away_disturbs_nobody() -> None:
    log = Log(takes_s=INTERVAL)

    async def run() -> None:
        group = GroupCommit(log, INTERVAL, 10)
        gone = group.put(1)
        other = group.put(2)
        await asyncio.sleep(INTERVAL / 2)
        gone.cancel()
        await other

    asyncio.run(run())
    assert log.batches == [[1, 2]], "what went to the database is not taken back"


def test_those_that_wait_can_be_taken_by_the_commit_before() -> None:
    taken: list[int] = []

    async def run() -> None:
        async def commit(entries: list[Entry[int]]) -> None:
            await asyncio.sleep(INTERVAL)
            entries += group.take()
            taken.extend(entry.item for entry in entries)
            for entry in entries:
                entry.succeed()

        group = GroupCommit(commit, INTERVAL, 10)
        first = group.put(1)
        await asyncio.sleep(INTERVAL / 2)
        assert await _put(group, 2, 3) == [None, None]
        await first

    asyncio.run(run())
    assert taken == [1, 2, 3]
