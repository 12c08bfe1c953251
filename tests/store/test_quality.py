"""How well carriers deliver is measured from what became of messages, only where a route asks, and within bounds."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Awaitable, Callable

import pytest

from trunkline.domain.ids import MsgIds
from trunkline.domain.quality import Quality
from trunkline.store import db, quality
from trunkline.store.db import Connection
from trunkline.upkeep import quality as subject

SET_UP = """
INSERT INTO account (public_id, name) VALUES (repeat('1', 24), 'a');
INSERT INTO plan (public_id, account_id, name) SELECT repeat(n::text, 24), 1, 'p' || n FROM generate_series(2, 4) n;
INSERT INTO carrier (name) VALUES ('one'), ('other');
INSERT INTO route (name, carrier_id, min_delivery_percent) VALUES ('r', 1, 90);
"""
IDS = MsgIds()
DELIVERED, FAILED = 2, 3


async def sent(
    conn: Connection,
    ago_s: float,
    carrier: int,
    country: str | None,
    status: int | None,
    took_s: float = 1.0,
    plan: int = 1,
) -> None:
    """A message that a carrier accepted so long ago."""
    now = await conn.fetchval("SELECT trunkline_now()")
    at = now - dt.timedelta(seconds=ago_s)
    msg_id = IDS.__class__().new(int(at.timestamp() * 1000))
    await conn.execute(
        "INSERT INTO msg (plan_id, msg_id, account_id, country, encoding, parts, expires_at, status, sent_at, final_at)"
        " VALUES ($1, $2, 1, $3, 0, 1, $4, $5, $4, $6)",
        plan, msg_id, country, at, status, at + dt.timedelta(seconds=took_s) if status else None,
    )  # fmt: skip
    await conn.execute(
        "INSERT INTO ref VALUES ($1, 'x', '+1', $2, $3, 1, 1, 1, 0, false, $4, $4)", carrier, plan, msg_id, at
    )


def measured(dsn: str, work: Callable[[Connection], Awaitable[None]]) -> dict[tuple[int, str | None], Quality]:
    async def main() -> dict[tuple[int, str | None], Quality]:
        conn = await db.connect(dsn, name="test")
        try:
            await conn.execute(SET_UP)
            await work(conn)
            await subject.measure(conn)
            return dict(await quality.kept(conn))
        finally:
            await conn.close()

    return asyncio.run(main())


def test_each_carrier_in_each_country(database: str) -> None:
    async def work(conn: Connection) -> None:
        for n in range(20):
            await sent(conn, 400 + n, 1, "SE", DELIVERED if n < 15 else FAILED, took_s=n + 1)
        await sent(conn, 1000, 1, "NO", None, plan=2)
        await sent(conn, 1000, 2, None, DELIVERED, took_s=3, plan=3)
        await sent(conn, 60, 2, "SE", None)  # too new to say anything
        await sent(conn, 5000, 2, "SE", DELIVERED)  # too old

    assert measured(database, work) == {
        (1, "SE"): Quality(20, 15, pytest.approx(14.3)),
        (1, "NO"): Quality(1, 0, None),
        (2, None): Quality(1, 1, pytest.approx(3.0)),
    }


def test_a_sample_of_much_is_spread_over_time(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "_MOST_MESSAGES", 60)  # one a minute

    async def work(conn: Connection) -> None:
        for minute in range(10):
            for n in range(5):
                await sent(conn, 330 + minute * 60 + n, 1, "SE", DELIVERED if minute < 5 else FAILED)

    ((count, delivered, _),) = measured(database, work).values()
    assert 10 <= count <= 12
    assert 5 <= delivered <= 6


def test_nothing_is_measured_that_no_route_asks_for(database: str) -> None:
    async def work(conn: Connection) -> None:
        await sent(conn, 400, 1, "SE", DELIVERED)
        await subject.measure(conn)
        assert len(await quality.kept(conn)) == 1
        await conn.execute("UPDATE route SET active = false")

    assert measured(database, work) == {}
