"""A batch whose answer does not come: stored, surely not stored, or not known, exactly as the table says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from trunkline.domain.ids import MsgIds
from trunkline.domain.message import Accepted, Submission
from trunkline.mt import accept
from trunkline.mt.accept import Accepter
from trunkline.runtime.clock import wall_ms

IDS = MsgIds()
# Whoever waits for a lock, of the session that stores batches.
BLOCKED = """
SELECT pid FROM pg_stat_activity
WHERE application_name = 'trunkline accept' AND wait_event_type = 'Lock' AND datname = current_database()
"""


def submission() -> Submission:
    return Submission(
        1, IDS.new(wall_ms()), 1, "12345", "+46700000001", "hello", None, None, "SE", 0, 1, 1, 0, 3600, None
    )


@asynccontextmanager
async def accepting(dsn: str) -> AsyncIterator[Accepter]:
    accepter = Accepter(dsn)
    writing = asyncio.create_task(accepter.run())
    try:
        yield accepter
        await accepter.drained()
    finally:
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
        await accepter.close()


class Beside:
    """An operator's two sessions: one that holds locks, one that watches."""

    def __init__(self, holder: asyncpg.Connection, watch: asyncpg.Connection) -> None:
        self.holder = holder
        self.watch = watch

    async def blocked(self) -> int:
        """The backend that waits for a lock, as soon as it does."""
        while True:
            pid = await self.watch.fetchval(BLOCKED)
            if pid is not None:
                return int(pid)
            await self.watch.execute("SELECT pg_sleep(0.01)")

    async def hold(self, batch: list[Submission]) -> None:
        """Has the batch's first row inserted and not committed: its statement runs till it meets it."""
        await self.holder.execute("BEGIN")
        await self.holder.execute(
            "INSERT INTO msg (plan_id, msg_id, account_id, encoding, parts, expires_at) VALUES (1, $1, 1, 0, 1, now())",
            batch[0].msg_id,
        )

    async def release(self) -> None:
        await self.holder.execute("ROLLBACK")

    async def stored(self, batch: list[Submission]) -> int:
        """How many of them are there, once nothing more is under way."""
        while await self.watch.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'trunkline accept' AND state = 'active'"
            " AND datname = current_database()"
        ):
            await self.watch.execute("SELECT pg_sleep(0.01)")
        ids = [one.msg_id for one in batch]
        queued = await self.watch.fetchval("SELECT count(*) FROM mt_queue WHERE msg_id = ANY($1)", ids)
        assert queued == await self.watch.fetchval("SELECT count(*) FROM msg WHERE msg_id = ANY($1)", ids)
        return int(queued)


@asynccontextmanager
async def beside(dsn: str) -> AsyncIterator[Beside]:
    holder, watch = await asyncpg.connect(dsn), await asyncpg.connect(dsn)
    try:
        yield Beside(holder, watch)
    finally:
        await holder.close()
        await watch.close()


async def answers(futures: list[asyncio.Future[Accepted]]) -> set[Accepted]:
    return set(await asyncio.wait_for(asyncio.gather(*futures), 20))


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accept, "_PATIENCE_S", 0.5)
    monkeypatch.setattr(accept, "_LOOK_UP_S", 0.7)


def test_a_backend_ended_before_its_commit_stored_nothing(database: str) -> None:
    async def main() -> None:
        async with beside(database) as there, accepting(database) as accepter:
            batch = [submission() for _ in range(5)]
            await there.hold(batch)
            futures = [accepter.accept(one) for one in batch]
            await there.watch.execute("SELECT pg_terminate_backend($1)", await there.blocked())
            assert await answers(futures) == {Accepted.UNAVAILABLE}
            await there.release()
            assert await there.stored(batch) == 0
            # The next batch finds a new connection.
            after = [submission()]
            assert await answers([accepter.accept(after[0])]) == {Accepted.STORED}
            assert await there.stored(after) == 1

    asyncio.run(main())


def test_a_commit_that_comes_while_it_is_looked_up_counts(database: str) -> None:
    async def main() -> None:
        async with beside(database) as there, accepting(database) as accepter:
            batch = [submission() for _ in range(5)]
            await there.hold(batch)
            futures = [accepter.accept(one) for one in batch]
            await there.blocked()
            asyncio.get_running_loop().call_later(0.8, lambda: tasks.append(asyncio.ensure_future(there.release())))
            tasks: list[asyncio.Future[None]] = []
            assert await answers(futures) == {Accepted.STORED}
            await asyncio.gather(*tasks)
            assert await there.stored(batch) == 5

    asyncio.run(main())


@pytest.mark.parametrize("held", ["a row", "the table"])
def test_a_statement_that_may_still_run_is_not_called_lost(database: str, held: str) -> None:
    """Waiting for a row it has begun; waiting for the table it has not, and will store its batch all the same."""

    async def main() -> None:
        async with beside(database) as there, accepting(database) as accepter:
            assert await answers([accepter.accept(submission())]) == {Accepted.STORED}  # the statement is prepared
            batch = [submission() for _ in range(5)]
            if held == "a row":
                await there.hold(batch)
            else:
                await there.holder.execute("BEGIN; LOCK TABLE msg IN SHARE MODE")
            futures = [accepter.accept(one) for one in batch]
            await there.blocked()
            assert await answers(futures) == {Accepted.OUTCOME_UNKNOWN}
            await there.release()
            assert await there.stored(batch) == 5

    asyncio.run(main())


def test_what_arrives_meanwhile_is_not_held_up(database: str) -> None:
    async def main() -> None:
        async with beside(database) as there, accepting(database) as accepter:
            batch, after = [submission()], [submission()]
            await there.hold(batch)
            first = accepter.accept(batch[0])
            await there.blocked()
            second = accepter.accept(after[0])
            assert await answers([second]) == {Accepted.STORED}
            assert not first.done()
            assert await answers([first]) == {Accepted.OUTCOME_UNKNOWN}
            await there.release()

    asyncio.run(main())


def test_a_client_that_hung_up_spoils_nothing(database: str) -> None:
    async def main() -> None:
        async with beside(database) as there, accepting(database) as accepter:
            batch = [submission() for _ in range(3)]
            futures = [accepter.accept(one) for one in batch]
            futures[1].cancel()
            assert await answers([futures[0], futures[2]]) == {Accepted.STORED}
            assert await there.stored(batch) == 3

    asyncio.run(main())
