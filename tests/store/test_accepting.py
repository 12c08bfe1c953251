"""Accepting over a real database: many in one commit, one bad row among good ones, a database that is not there."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from uuid import UUID

import asyncpg
import pytest

from trunkline.domain.ids import MsgIds
from trunkline.domain.message import Accepted, Submission
from trunkline.domain.provisioning import AccountId, CarrierId, PlanId
from trunkline.mt.accept import Accepter
from trunkline.store import queue
from trunkline.store.db import Connection

IDS = MsgIds()


def submission(body: str = "hello", *, parts: int = 1) -> Submission:
    return Submission(
        PlanId(1), IDS.new(time.time_ns() // 1_000_000), AccountId(1), "12345", "+46700000001", body, None, None, "SE",
        0, parts, CarrierId(1), 0, 3600, None,
    )  # fmt: skip


async def accepted(dsn: str, batch: list[Submission]) -> list[Accepted]:
    accepter = Accepter(dsn)
    writing = asyncio.create_task(accepter.run())
    outcomes = await asyncio.wait_for(asyncio.gather(*(accepter.accept(s) for s in batch)), 20)
    await accepter.drained()
    writing.cancel()
    await asyncio.gather(writing, return_exceptions=True)
    await accepter.close()
    return list(outcomes)


async def rows(dsn: str, query: str) -> list[tuple[object, ...]]:
    conn = await asyncpg.connect(dsn)
    found = [tuple(row) for row in await conn.fetch(query)]
    await conn.close()
    return found


def test_what_is_stored_stands_in_the_queue(database: str) -> None:
    batch = [submission(), submission(parts=3)]
    assert asyncio.run(accepted(database, batch)) == [Accepted.STORED] * 2
    queued = asyncio.run(rows(database, "SELECT msg_id, missing, parts FROM mt_queue ORDER BY msg_id"))
    assert queued == [(batch[0].msg_id, 1, 1), (batch[1].msg_id, 7, 3)]
    assert asyncio.run(rows(database, "SELECT count(*) FROM msg WHERE status IS NULL")) == [(2,)]


def test_one_bad_row_does_not_spoil_its_batch(database: str) -> None:
    batch = [submission() for _ in range(40)]
    batch[17] = batch[17]._replace(body="a\0b")  # PostgreSQL holds no U+0000; the API refuses it long before
    outcomes = asyncio.run(accepted(database, batch))
    assert [n for n, outcome in enumerate(outcomes) if outcome is not Accepted.STORED] == [17]
    assert outcomes[17] is Accepted.UNAVAILABLE
    assert asyncio.run(rows(database, "SELECT count(*) FROM mt_queue")) == [(39,)]


def test_what_comes_in_the_next_turns_of_the_loop_shares_a_commit(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> list[int]:
        real, sizes = queue.accept, []

        async def watched(conn: Connection, batch: Sequence[Submission], **how: bool) -> dict[UUID, Accepted]:
            sizes.append(len(batch))
            return await real(conn, batch, **how)

        monkeypatch.setattr(queue, "accept", watched)
        accepter, loop = Accepter(database), asyncio.get_running_loop()
        writing = asyncio.create_task(accepter.run())
        assert await accepter.accept(submission()) is Accepted.STORED  # it is connected
        futures: list[asyncio.Future[Accepted]] = []

        def comes(left: int) -> None:
            futures.append(accepter.accept(submission()))
            if left:
                loop.call_soon(comes, left - 1)

        comes(2)
        await accepter.drained()
        assert [future.result() for future in futures] == [Accepted.STORED] * 3
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
        await accepter.close()
        return sizes

    assert asyncio.run(asyncio.wait_for(main(), 20)) == [1, 3]


def test_without_a_database_the_answer_comes_at_once() -> None:
    began = time.monotonic()
    outcomes = asyncio.run(accepted("postgresql://nobody@127.0.0.1:1/nothing", [submission()]))
    assert outcomes == [Accepted.UNAVAILABLE]
    assert time.monotonic() - began < 5
