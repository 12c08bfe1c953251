"""Partitions of the tables that grow: made standalone, then attached, ahead of time; taken off and dropped by age.

CREATE … PARTITION OF and DROP would wait behind any open reader while every INSERT waits behind them. So a partition
is created with its bound as a CHECK (ATTACH then has nothing to scan) and attached under a short lock timeout.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from trunkline.store.db import Connection

AHEAD_DAYS = 7


@dataclass(frozen=True, slots=True)
class Partitioned:
    """A partitioned table: its key, how many days a partition holds, how many days old rows must stay."""

    table: str
    key: str  # a timestamptz column, or msg_id
    step_days: int
    keep_days: int


# A message may change until 35 d (sendAt) + 3 d (validity) + 12 h + 30 d (late receipt) after its acceptance.
KEEP_DAYS = 75
TABLES = (
    Partitioned("msg", "msg_id", 1, KEEP_DAYS),
    Partitioned("charge", "msg_id", 1, KEEP_DAYS),
    Partitioned("mo", "msg_id", 1, KEEP_DAYS),
    Partitioned("ref", "sent_at", 7, 75),
    Partitioned("attempt", "ended_at", 7, 75),
    Partitioned("receipt", "received_at", 7, 75),
    Partitioned("hook_attempt", "at", 7, 75),
)


async def attach_ahead(conn: Connection) -> int:
    """Makes every partition that starts before `AHEAD_DAYS` from now and is missing. Returns how many were made.

    Raises asyncpg.LockNotAvailableError where a reader held the table for longer than 2 s: try again later.
    """
    now: dt.datetime = await conn.fetchval("SELECT trunkline_now()")
    present = {
        row["name"]
        for row in await conn.fetch(
            "SELECT c.relname::text AS name FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid"
            " WHERE i.inhparent = ANY($1::regclass[])",
            [part.table for part in TABLES],
        )
    }
    made = 0
    for part in TABLES:
        # One step back as well: ids and times of the last moments before midnight are still on their way.
        for start in _starts(now - dt.timedelta(days=part.step_days), now + dt.timedelta(days=AHEAD_DAYS), part):
            if f"{part.table}_{start:%Y%m%d}" not in present:
                await _attach(conn, part, start)
                made += 1
    return made


async def days_ahead(conn: Connection) -> int:
    """For how many days from now msg has partitions: an alarm under 3."""
    last = await conn.fetchval(
        "SELECT max(substring(c.relname FROM '\\d{8}$')) FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid"
        " WHERE i.inhparent = 'msg'::regclass"
    )
    today: dt.date = await conn.fetchval("SELECT (trunkline_now() AT TIME ZONE 'UTC')::date")
    return (dt.datetime.strptime(last, "%Y%m%d").date() - today).days if last else 0


def _starts(first: dt.datetime, last: dt.datetime, part: Partitioned) -> list[dt.date]:
    """Start days of the partitions that cover first … last; weeks start on Mondays."""
    day = first.astimezone(dt.UTC).date()
    if part.step_days == 7:
        day -= dt.timedelta(days=day.weekday())
    starts = []
    while day <= last.astimezone(dt.UTC).date():
        starts.append(day)
        day += dt.timedelta(days=part.step_days)
    return starts


async def _attach(conn: Connection, part: Partitioned, start: dt.date) -> None:
    name = f"{part.table}_{start:%Y%m%d}"
    end = start + dt.timedelta(days=part.step_days)
    bound = "msg_id_floor('{} 00:00+00')" if part.key == "msg_id" else "timestamptz '{} 00:00+00'"
    low, high = await conn.fetchrow(f"SELECT {bound.format(start)}::text, {bound.format(end)}::text")
    async with conn.transaction():
        await conn.execute("SET LOCAL lock_timeout = '2s'")
        # fillfactor: the one update that makes a message final can then mostly stay on its page.
        storage = " WITH (fillfactor = 85)" if part.table == "msg" else ""
        await conn.execute(
            f"CREATE TABLE {name} (LIKE {part.table} INCLUDING DEFAULTS INCLUDING CONSTRAINTS){storage};"
            f"ALTER TABLE {name} ADD CONSTRAINT bound CHECK"
            f" ({part.key} IS NOT NULL AND {part.key} >= '{low}' AND {part.key} < '{high}');"
            f"ALTER TABLE {part.table} ATTACH PARTITION {name} FOR VALUES FROM ('{low}') TO ('{high}');"
            f"ALTER TABLE {name} DROP CONSTRAINT bound"
        )


async def retire(conn: Connection) -> list[str]:
    """Takes off and drops partitions whose rows are all older than their table keeps. Returns their names."""
    today: dt.date = await conn.fetchval("SELECT (trunkline_now() AT TIME ZONE 'UTC')::date")
    dropped = []
    for part in TABLES:
        rows = await conn.fetch(
            "SELECT c.relname::text AS name FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid"
            " WHERE i.inhparent = $1::regclass ORDER BY 1",
            part.table,
        )
        for row in rows:
            start = dt.datetime.strptime(row["name"].rsplit("_", 1)[1], "%Y%m%d").date()
            if (today - start).days - part.step_days > part.keep_days:
                await conn.execute(f"ALTER TABLE {part.table} DETACH PARTITION {row['name']} CONCURRENTLY")
                await conn.execute(f"DROP TABLE {row['name']}")
                dropped.append(row["name"])
    return dropped
