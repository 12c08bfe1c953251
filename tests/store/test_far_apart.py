"""Batches of messages that lie far apart, in pieces as a server before PostgreSQL 17 gets them: nothing is left out."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
import receipt_ground
from receipt_ground import Ground, on_ground
from trip_rows import SET_UP, accepted

from trunkline.domain.provisioning import CarrierId, PlanId
from trunkline.store import db, queue, runs, settling
from trunkline.store.queue import AcceptedPart, ChargedPart

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


def of(*milliseconds: int) -> list[UUID]:
    return [UUID(int=(ms << 80) + n) for n, ms in enumerate(milliseconds)]


def pieces(major: int, ids: Sequence[UUID]) -> list[list[int]]:
    server: Any = SimpleNamespace(get_server_version=lambda: SimpleNamespace(major=major))
    return [[one.int >> 80 for one in piece] for piece in runs.runs(server, ids, lambda one: one)]


def test_pieces() -> None:
    assert pieces(16, of(5000, 1000, 1999, 2998, 9000)) == [[1000, 1999, 2998], [5000], [9000]]
    assert pieces(16, of(1000, 2000)) == [[1000], [2000]]
    assert pieces(16, of(7)) == [[7]]
    assert pieces(16, []) == [[]]
    assert pieces(17, of(5000, 1000)) == [[5000, 1000]]


@pytest.fixture
def cut(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many pieces each batch came in: all are cut, whatever the server."""
    found = []
    monkeypatch.setattr(runs, "_SKIPS_SINCE", 99)

    def watched(conn: db.Connection, rows: Sequence[Any], msg_id_of: Callable[[Any], UUID]) -> list[Sequence[Any]]:
        made = runs.runs(conn, rows, msg_id_of)
        found.append(len(made))
        return made

    monkeypatch.setattr(settling, "runs", watched)
    monkeypatch.setattr(queue, "runs", watched)
    return found


@pytest.fixture
def _minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each message is a minute younger than the one before."""
    real, count = receipt_ground.wall_ms, iter(range(100))
    monkeypatch.setattr(receipt_ground, "wall_ms", lambda: real() + 60_000 * next(count))


@pytest.mark.usefixtures("_minutes")
def test_receipts(database: str, cut: list[int]) -> None:
    async def main(ground: Ground) -> None:
        singles = [(f"a{n}", await ground.sent(f"a{n}"), ground.last) for n in range(3)]
        long, to = await ground.sent("b1", "b2"), ground.last
        for name, _, recipient in singles:
            await ground.receipt(f"id:{name} stat:DELIVRD err:000", source=recipient, wait=False)
        for name in ("b1", "b2"):
            await ground.receipt(f"id:{name} stat:UNDELIV err:001", source=to, wait=False)
        await ground.receiver.drained()
        assert ground.session.statuses == [0] * 5
        assert [await ground.end(msg_id) for _, msg_id, _ in singles] == [("DELIVERED", 0)] * 3
        assert (await ground.end(long))[0] == "FAILED"
        assert await ground.conn.fetchval("SELECT count(*) FROM receipt") == 5
        assert await ground.conn.fetchval("SELECT count(*) FROM part_outcome") == 2

    on_ground(database, main)
    assert 3 in cut


@pytest.mark.usefixtures("_minutes")
def test_receipts_that_came_first(database: str, cut: list[int]) -> None:
    async def main(ground: Ground) -> None:
        stored = []
        for n in range(3):
            stored.append((await ground.stored(), ground.last, ground.shape))
            await ground.receipt(f"id:c{n} stat:DELIVRD err:000")
        assert await ground.parked() == 3
        for n, (msg_id, _, ground.shape) in enumerate(stored):
            ground.accept(msg_id, 1, f"c{n}")
        await ground.outcomes.drained()
        assert await ground.parked() == 0
        assert [await ground.end(msg_id) for msg_id, _, _ in stored] == [("DELIVERED", 0)] * 3
        assert await ground.conn.fetchval("SELECT count(*) FROM receipt") == 3

    on_ground(database, main)
    assert 3 in cut


def test_accepted_parts_that_cost_and_are_told(database: str, cut: list[int]) -> None:
    async def main() -> None:
        conn = await db.connect(database, name="test")
        await conn.execute(SET_UP)
        await conn.execute("UPDATE plan SET sent_events = true, dlr_url = 'https://customer.example/dlr'")
        ids = [await accepted(conn) for _ in range(2)]
        older = UUID(int=ids[1].int - (60_000 << 80))
        for table in ("msg", "mt_queue"):
            await conn.execute(f"UPDATE {table} SET msg_id = $2 WHERE msg_id = $1", ids[1], older)
        parts = [
            AcceptedPart(f"d{n}", "+15550001111", PlanId(1), msg_id, 1, 1, 1, 0, False, NOW)
            for n, msg_id in enumerate([ids[0], older])
        ]
        costs = [ChargedPart(PlanId(1), part.msg_id, 1, 7500, 0, "EUR", "SE") for part in parts]
        await queue.parts_accepted(conn, CarrierId(1), parts, {PlanId(1)}, costs)
        for table in ("ref", "charge", "hook_queue"):
            assert {row[0] for row in await conn.fetch(f"SELECT msg_id FROM {table}")} == {ids[0], older}
        await conn.close()

    asyncio.run(main())
    assert cut == [2]
