"""A stock of messages over the last forty days, for tests that read them back."""

from __future__ import annotations

import datetime as dt
from uuid import UUID

from trunkline.runtime.clock import wall_ms
from trunkline.store.db import Connection

DAY_MS = 86_400_000
NOW_MS = wall_ms()


async def make_partitions(conn: Connection) -> None:
    """Those of the past: a running installation has them from the days when they were ahead."""
    today = dt.datetime.fromtimestamp(NOW_MS / 1000, dt.UTC).date()
    have = {row[0] for row in await conn.fetch("SELECT relname::text FROM pg_class WHERE relispartition")}
    for back in range(45):
        day = today - dt.timedelta(days=back)
        for table in ("msg", "mo"):
            if f"{table}_{day:%Y%m%d}" not in have:
                await conn.execute(
                    f"CREATE TABLE {table}_{day:%Y%m%d} PARTITION OF {table} FOR VALUES"
                    f" FROM (msg_id_floor('{day} 00:00+00')) TO (msg_id_floor('{day + dt.timedelta(days=1)} 00:00+00'))"
                )
        if day.weekday() == 0 and f"ref_{day:%Y%m%d}" not in have:
            await conn.execute(
                f"CREATE TABLE ref_{day:%Y%m%d} PARTITION OF ref FOR VALUES"
                f" FROM ('{day} 00:00+00') TO ('{day + dt.timedelta(days=7)} 00:00+00')"
            )


def id_at(ms: int, number: int) -> UUID:
    """A message id of that moment."""
    return UUID(int=ms << 80 | 7 << 76 | 2 << 62 | number)


# Of the n-th message: every third is not final, and every other of those was sent; 40 days in steps of equal length.
STOCK = """
WITH stock AS (
    SELECT n, to_timestamp(($3::bigint - n * ($4::bigint / $2)) / 1000.0) AS at FROM generate_series(1, $2::bigint) AS n
), made AS (
    SELECT n, at, (substr(msg_id_floor(at)::text, 1, 13) || '-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid AS msg_id
    FROM stock
), stored AS (
    INSERT INTO msg (plan_id, msg_id, account_id, sender, recipient, body, country, mccmnc, encoding, parts, expires_at,
                     status, sent_at, final_at)
    SELECT $1, msg_id, 1, CASE n % 5 WHEN 0 THEN 'Rare' ELSE '+15550001111' END,
           '+1555' || lpad((n % 997)::text, 7, '0'),
           repeat('x', (n % 160)::int), CASE n % 7 WHEN 0 THEN 'NL' ELSE 'US' END,
           CASE n % 11 WHEN 0 THEN '310260' END, 0, 1, at, CASE n % 3 WHEN 0 THEN NULL ELSE 2 + n % 3 END,
           CASE n % 3 WHEN 0 THEN NULL ELSE at END, CASE n % 3 WHEN 0 THEN NULL ELSE at END
    FROM made RETURNING 1
)
INSERT INTO ref SELECT 1, n::text, '+1555' || lpad((n % 997)::text, 7, '0'), $1, msg_id, 1, 1, 1, 0, false, at,
                       at + interval '1 second'
FROM made WHERE n % 3 <> 0 OR n % 2 = 0
"""


async def fill(conn: Connection, plan_id: int, count: int) -> None:
    """`count` messages of the plan, the newest now, the oldest forty days ago."""
    await conn.execute(STOCK, plan_id, count, NOW_MS, 40 * DAY_MS)
