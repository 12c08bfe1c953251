"""Batches: in order, never larger than allowed, gathering while one is on its way."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from trunkline.runtime import gather as module
from trunkline.runtime.gather import Gather


class Writer:
    """Keeps what it is given; each write waits until it is let through."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.began = asyncio.Event()
        self.gate = asyncio.Semaphore(0)

    async def write(self, batch: list[int]) -> None:
        self.batches.append(batch)
        self.began.set()
        await self.gate.acquire()

    async def next(self) -> list[int]:
        await self.began.wait()
        self.began.clear()
        return self.batches[-1]


class Naps:
    """Takes the place of the clock: counts lingering, each as long as the test lets it be."""

    def __init__(self) -> None:
        self.asked: list[float] = []
        self.began = asyncio.Event()
        self.over = asyncio.Event()

    async def __call__(self, seconds: float) -> None:
        self.asked.append(seconds)
        self.began.set()
        await self.over.wait()


def running(main: Callable[[Writer], Awaitable[None]]) -> None:
    async def whole() -> None:
        await asyncio.wait_for(main(Writer()), 10)

    asyncio.run(whole())


async def ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def test_one_batch_on_its_way_the_rest_gathers() -> None:
    async def main(writer: Writer) -> None:
        items: Gather[int] = Gather(writer.write, most=100)
        task = asyncio.create_task(items.run())
        items.add(1)
        assert await writer.next() == [1]
        for n in (2, 3, 4):
            items.add(n)
        assert len(items) == 3
        assert writer.batches == [[1]]
        writer.gate.release()
        assert await writer.next() == [2, 3, 4]
        await ended(task)

    running(main)


def test_no_batch_is_larger_than_allowed_and_order_is_kept() -> None:
    async def main(writer: Writer) -> None:
        items: Gather[int] = Gather(writer.write, most=4)
        for n in range(11):
            items.add(n)
        task = asyncio.create_task(items.run())
        for _ in range(3):
            writer.gate.release()
        await items.drained()
        assert writer.batches == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10]]
        await ended(task)

    running(main)


def test_drained_waits_for_what_is_on_its_way() -> None:
    async def main(writer: Writer) -> None:
        items: Gather[int] = Gather(writer.write, most=4)
        await items.drained()  # nothing was taken
        task = asyncio.create_task(items.run())
        items.add(1)
        drained = asyncio.create_task(items.drained())
        await writer.next()
        items.add(2)
        writer.gate.release()
        assert await writer.next() == [2]
        assert not drained.done()
        writer.gate.release()
        await drained
        await ended(task)

    running(main)


def test_drained_counts_what_came_while_the_last_batch_was_written() -> None:
    """Added between the end of a write and the next batch: still owed."""

    async def main(writer: Writer) -> None:
        again = [2]

        async def write(batch: list[int]) -> None:
            writer.batches.append(batch)
            if again:
                items.add(again.pop())

        items: Gather[int] = Gather(write, most=4)
        task = asyncio.create_task(items.run())
        items.add(1)
        await items.drained()
        assert writer.batches == [[1], [2]]
        await ended(task)

    running(main)


@pytest.mark.parametrize(
    ("first", "most", "lingers"),
    [
        (1, 10, True),
        (9, 10, True),
        (10, 10, False),  # full already
        (12, 10, False),
    ],
)
def test_lingering(monkeypatch: pytest.MonkeyPatch, first: int, most: int, lingers: bool) -> None:
    async def main(writer: Writer) -> None:
        naps = Naps()
        monkeypatch.setattr(module.clock, "sleep", naps)
        items: Gather[int] = Gather(writer.write, linger_s=0.005, most=most)
        for n in range(first):
            items.add(n)
        task = asyncio.create_task(items.run())
        if lingers:
            await naps.began.wait()
            assert naps.asked == [0.005]
            assert writer.batches == []
            items.add(first)
            naps.over.set()
            assert await writer.next() == list(range(first + 1))  # what came meanwhile goes along
        else:
            assert await writer.next() == list(range(min(first, most)))
            assert naps.asked == []
        await ended(task)

    running(main)


@pytest.mark.parametrize(("turns", "first"), [(0, [1]), (1, [1, 2]), (2, [1, 2, 3]), (3, [1, 2, 3, 4])])
def test_turns_of_the_loop_bring_company(turns: int, first: list[int]) -> None:
    async def main(writer: Writer) -> None:
        items: Gather[int] = Gather(writer.write, turns=turns, most=100)
        loop = asyncio.get_running_loop()

        def come(n: int) -> None:
            items.add(n)
            if n < 9:
                loop.call_soon(come, n + 1)

        items.add(1)
        task = asyncio.create_task(items.run())
        loop.call_soon(come, 2)
        assert await writer.next() == first
        await ended(task)

    running(main)


def test_it_starts_again_after_silence() -> None:
    async def main(writer: Writer) -> None:
        items: Gather[int] = Gather(writer.write, most=4)
        task = asyncio.create_task(items.run())
        for n in range(3):
            items.add(n)
            writer.gate.release()
            await items.drained()
        assert writer.batches == [[0], [1], [2]]
        await ended(task)

    running(main)


def test_what_was_taken_up_to_now_is_waited_for_and_no_more() -> None:
    async def main(writer: Writer) -> None:
        gather: Gather[int] = Gather(writer.write, linger_s=0.0, most=1)
        task = asyncio.create_task(gather.run())
        gather.add(1)
        await writer.next()
        gather.add(2)
        asked = asyncio.create_task(gather.written())
        await asyncio.wait([asked], timeout=0.01)
        gather.add(3)
        writer.gate.release()
        assert await writer.next() == [2]
        assert not asked.done()
        writer.gate.release()
        assert await writer.next() == [3]
        await asked
        await ended(task)

    running(main)
