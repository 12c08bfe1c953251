"""What number ranges cost: a look-up, the memory, and how long an API process takes to load them.

    .venv/bin/python bench/number_ranges.py [COUNT]

COUNT ranges (2,000,000), each a block of its own with a gap behind it: the case that takes most memory. An embedded
PostgreSQL, imported as `trunkline numbers import` does it, loaded as an API process does it, with another task in the
same loop that notes for how long it was not let in.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import random
import sys
import time
from collections.abc import Iterator

import uvloop
from loading import pauses, peak_mb

from trunkline.admin.ranges import import_ranges
from trunkline.store.db import connect
from trunkline.store.embedded import scratch
from trunkline.store.migrate import migrate
from trunkline.store.numbers import NumberWatch

LOOKS = 200_000


def lines(count: int) -> Iterator[str]:
    yield "first,last,mccmnc\n"
    for n in range(count):
        yield f"{44_700_000_000 + n * 10}0,{44_700_000_000 + n * 10 + n % 9}9,{23_400 + n % 97}\n"


async def fill(dsn: str, count: int) -> None:
    await migrate(dsn)
    conn = await connect(dsn, name="bench")
    for what in ("import", "again, over as many"):
        began = time.perf_counter()
        await import_ranges(conn, lines(count), name="bench", skip_bad=False, actor="bench")
        print(f"{what}, {count:,} ranges: {time.perf_counter() - began:.1f} s")
    await conn.close()


def look(dsn: str, count: int) -> None:
    """In a process of its own, so that its memory is that of the ranges."""
    uvloop.run(loaded(dsn, count))


async def loaded(dsn: str, count: int) -> None:
    watch = NumberWatch(dsn)
    beside = asyncio.create_task(pauses())
    before = peak_mb()
    began = time.perf_counter()
    await watch.refresh()
    spent = time.perf_counter() - began
    grown = peak_mb() - before
    beside.cancel()
    longest, long_count = await beside
    ranges = watch.held
    print(
        f"loaded: {spent:.1f} s, {len(ranges):,} spans, {ranges.octets / 1e6:.1f} MB in arrays, at most {grown:.0f} MB"
        f" more in the process; the loop paused {long_count} times for over 5 ms, {longest * 1e3:.1f} ms at most"
    )
    await watch.close()
    chance = random.Random(1)
    numbers = [f"+447{chance.randrange(count * 100):09}" for _ in range(LOOKS)]
    known = sum(watch.mccmnc_of(number) is not None for number in numbers)
    for what, asked in (("at random", numbers), ("one of a hundred again and again", numbers[:100] * (LOOKS // 100))):
        best = min(timed(watch.mccmnc_of, asked) for _ in range(5))
        print(f"a look-up, {what}: {best:.2f} CPU-us (best of 5; of those at random {known / LOOKS:.0%} are known)")


def timed(look: object, numbers: list[str]) -> float:
    """CPU microseconds each."""
    began = time.process_time()
    for number in numbers:
        look(number)  # type: ignore[operator]
    return (time.process_time() - began) / len(numbers) * 1e6


if __name__ == "__main__":
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else 2_000_000
    with scratch() as endpoint:
        asyncio.run(fill(endpoint.dsn, wanted))
        process = multiprocessing.get_context("spawn").Process(target=look, args=(endpoint.dsn, wanted))
        process.start()
        process.join()
