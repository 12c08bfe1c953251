"""Writing in batches: while one batch is on its way the next one gathers, and nobody waits for a full one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from trunkline.runtime import clock

T = TypeVar("T")


class Gather(Generic[T]):
    """Items go in one by one and come out as lists, in order.

    `write` gets up to `most` items at a time and deals with failures itself. A batch waits for company from its first
    item on, `linger_s` or, where somebody waits for the outcome, some `turns` of the event loop: in one the answers to
    the last batch are written, in the next is read what is there already.
    """

    def __init__(
        self,
        write: Callable[[list[T]], Awaitable[None]],
        *,
        linger_s: float = 0.0,
        turns: int = 0,
        most: int,
    ) -> None:
        self._write = write
        self._turns = turns
        self._linger_s = linger_s
        self._most = most
        self._items: list[T] = []
        self._some = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._writing = self._written = 0
        self._stepped = asyncio.Event()

    def add(self, item: T) -> None:
        """Takes one item; returns at once."""
        self._items.append(item)
        if len(self._items) == 1:
            self._some.set()
            self._idle.clear()

    def __len__(self) -> int:
        return len(self._items)

    @property
    def unwritten(self) -> int:
        """How many items were taken and are not written yet."""
        return len(self._items) + self._writing

    async def run(self) -> None:
        """Writes batch after batch until cancelled."""
        while True:
            await self._some.wait()
            if self._linger_s and len(self._items) < self._most:
                await clock.sleep(self._linger_s)
            for _ in range(self._turns):
                await clock.sleep(0)
            if len(self._items) <= self._most:
                batch, self._items = self._items, []
                self._some.clear()
            else:
                batch, self._items = self._items[: self._most], self._items[self._most :]
            self._writing = len(batch)
            await self._write(batch)
            self._written += self._writing
            self._writing = 0
            self._stepped.set()
            if not self._items:
                self._idle.set()

    async def drained(self) -> None:
        """Returns once everything that was taken is written."""
        await self._idle.wait()

    async def written(self) -> None:
        """Returns once everything that was taken up to now is written, whatever comes meanwhile."""
        upto = self._written + self._writing + len(self._items)
        while self._written < upto:
            self._stepped.clear()
            await self._stepped.wait()
