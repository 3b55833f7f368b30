"""Turns many small writes into a few large ones: a commit costs the same for 1 and 100 records."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(eq=False, slots=True)
class Entry(Generic[T]):
    """An item to write, and the future of whoever waits for it."""

    item: T
    _done: asyncio.Future[None]

    def succeed(self) -> None:
        if not self._done.done():  # the sender may have given up
            self._done.set_result(None)

    def fail(self, error: BaseException) -> None:
        if not self._done.done():
            self._done.set_exception(error)


class GroupCommit(Generic[T]):
    """Collects items and hands them to `commit`, which must end every entry of its list.

    The first item is committed at once. Items that arrive within the next `interval` seconds, or
    during a commit, are committed together.
    """

    def __init__(
        self, commit: Callable[[list[Entry[T]]], Awaitable[None]], interval: float, largest: int
    ) -> None:
        self._commit, self._interval, self._largest = commit, interval, largest
        self._waiting: list[Entry[T]] = []
        self._next = 0.0  # time of the loop
        self._worker: asyncio.Task[None] | None = None

    def put(self, item: T) -> asyncio.Future[None]:
        """Write the item. The future is done when the item is safe, or has the exception."""
        loop = asyncio.get_running_loop()
        entry = Entry(item, loop.create_future())
        self._waiting.append(entry)
        if self._worker is None:
            self._worker = loop.create_task(self._work())
        return entry._done

    def take(self) -> list[Entry[T]]:
        """Remove the entries that wait for the next commit. The caller must end them."""
        taken, self._waiting = self._waiting[: self._largest], self._waiting[self._largest :]
        return taken

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._waiting:
                if (pause := self._next - loop.time()) > 0:
                    await asyncio.sleep(pause)
                self._next = loop.time() + self._interval
                await self._end(self.take())
        finally:
            self._worker = None

    async def _end(self, batch: list[Entry[T]]) -> None:
        try:
            await self._commit(batch)
        except Exception as error:
            for entry in batch:
                entry.fail(error)
