"""T49: somebody has a plan send codes to numbers that earn money by it; a burst as customers make it goes through."""

from __future__ import annotations

import asyncio
import random
import sys
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import pytest
from rig.trial import sizes, trial

from trunkline.domain.guard import Guard, Limit, counters_of
from trunkline.domain.message import Submission
from trunkline.domain.terms import Cap, Terms
from trunkline.mt.accept import Accepter

sys.path.append(str(Path(__file__).parent.parent / "store"))
from money_ground import SET_UP, submission

# A guard as an operator would set it.
GUARD = Guard(
    recipient=Limit(5, 600),
    range=Limit(25, 600),
    sequence=Limit(10, 600),
    velocity=(("+8821", Limit(200, 600)),),
)
BLOCKED = frozenset({"+97916"})
ALLOWED = 50


@dataclass(frozen=True)
class Size:
    attack: int
    sequence: int
    burst: int
    processes: int


BOTH = sizes(Size(400, 150, 400, 2), Size(5000, 1000, 5000, 4), 60)


@asynccontextmanager
async def accepters(dsn: str, count: int) -> AsyncIterator[Sequence[Accepter]]:
    """API processes' accepters."""
    conn = await asyncpg.connect(dsn)
    await conn.execute(SET_UP)
    await conn.close()
    found = [Accepter(dsn) for _ in range(count)]
    working = [asyncio.create_task(accepter.run()) for accepter in found]
    try:
        yield found
        for accepter in found:
            await accepter.drained()
    finally:
        for task in working:
            task.cancel()
        await asyncio.gather(*working, return_exceptions=True)
        for accepter in found:
            await accepter.close()


def message(to: str, terms: Terms | None = None) -> Submission:
    counters = counters_of(GUARD, BLOCKED, to)
    return submission(terms._replace(counters=counters) if terms else Terms(counters=counters), to=to)


async def sent(dsn: str, processes: int, numbers: Sequence[str], at_once: int = 50) -> Counter[int]:
    """Sends one message to each, so many at once; counts the codes they ended with, 0 for those that go out."""
    async with accepters(dsn, processes) as them:
        batch = [message(number) for number in numbers]
        for start in range(0, len(batch), at_once):
            await asyncio.gather(
                *(them[n % processes].accept(one) for n, one in enumerate(batch[start : start + at_once]))
            )
    conn = await asyncpg.connect(dsn)
    rows = await conn.fetch("SELECT coalesce(status, 0) AS status, error_code, count(*) FROM msg GROUP BY 1, 2")
    queued = await conn.fetchval("SELECT count(*) FROM mt_queue")
    notices = await conn.fetchval("SELECT count(*) FROM audit WHERE action = 'guard.stopped'")
    await conn.close()
    found = Counter({row[1]: row[2] for row in rows})
    assert found.total() == len(numbers)
    assert queued == found[0]
    assert (notices > 0) is (found[0] < len(numbers))
    return found


@BOTH
def test_codes_to_one_range(size: Size, database: str) -> None:
    async def main() -> None:
        chance = random.Random(49)
        numbers = [f"+882131{chance.randrange(10_000):04d}" for _ in range(size.attack)]
        found = await sent(database, size.processes, numbers)
        assert 25 <= found[0] <= ALLOWED  # numbers that passed may be written to again
        assert found[607] + found[608] == size.attack - found[0]

    trial(main())


@BOTH
def test_sequential_numbers(size: Size, database: str) -> None:
    async def main() -> None:
        numbers = [f"+882131{n:04d}" for n in range(size.sequence)]
        found = await sent(database, size.processes, numbers)
        assert found[0] <= ALLOWED
        assert found[607] == size.sequence - found[0]

    trial(main())


def test_premium_ranges(database: str) -> None:
    async def main() -> None:
        found = await sent(database, 2, [f"+97916{n:06d}" for n in range(100)])
        assert found == {609: 100}

    trial(main())


@BOTH
def test_a_burst_of_customers_is_not_stopped(size: Size, database: str) -> None:
    """As many codes at once as in the attack, to customers all over a country; some ask for theirs again."""

    async def main() -> None:
        chance = random.Random(50)
        numbers = [f"+4670{chance.randrange(10_000_000):07d}" for _ in range(size.burst)]
        again = chance.sample(numbers, size.burst // 10)
        found = await sent(database, size.processes, numbers + again * 2)
        assert found == {0: len(numbers) + 2 * len(again)}

    trial(main())


@BOTH
def test_the_cap_is_exact_under_fifty_at_once(size: Size, database: str) -> None:
    price = Terms(70_000, 5_000, "EUR", None, Cap(75_000 * 100 + 1, "month"))

    async def main() -> None:
        async with accepters(database, size.processes) as them:
            batch = [submission(price, to=f"+46700{n:06d}") for n in range(max(size.attack // 2, 200))]

            async def one(accepter: Accepter, own: Sequence[Submission]) -> None:
                for message in own:
                    await accepter.accept(message)

            await asyncio.gather(*(one(them[n % size.processes], batch[n::50]) for n in range(50)))
        conn = await asyncpg.connect(database)
        assert await conn.fetchval("SELECT count(*) FROM mt_queue") == 100
        assert await conn.fetchval("SELECT count(*) FROM msg WHERE error_code = 601") == len(batch) - 100
        assert await conn.fetchval("SELECT spent_micro FROM spend") == 75_000 * 100
        assert await conn.fetchval("SELECT count(*) FROM audit WHERE action = 'spend.reached'") == 1
        await conn.close()

    trial(main())


@pytest.mark.parametrize("number", ["+882131000001", "+12025550123"])
def test_who_watches_nothing_stops_nothing(number: str) -> None:
    assert counters_of(None, frozenset(), number) == ()
