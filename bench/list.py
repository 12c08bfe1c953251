"""How long a page of the list takes, for each filter alone, over one plan's messages of 31 days.

    .venv/bin/python bench/list.py [messages = 100,000] [rounds = 100] [--dsn postgresql://…]

Fills an embedded PostgreSQL (or an empty database), then asks for pages as customers' reads do: over a reader's
connection, under row-level security. Three kinds: the newest page, one that ends at a random moment, and the ten that
follow each of them. Prints p50, p99 and worst in milliseconds, and for the newest page the rows that were scanned and
the pages of memory (8 KiB) that were touched. Ends with 1 where a p99 is above 20 ms or a scan above its bound.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from trunkline.domain.filters import WINDOW_MS, Filters
from trunkline.domain.provisioning import AccountId, PlanId
from trunkline.domain.status import Status
from trunkline.runtime.clock import wall_ms
from trunkline.store import partitions, records
from trunkline.store.db import Connection, connect
from trunkline.store.embedded import scratch
from trunkline.store.migrate import migrate
from trunkline.store.readers import Readers
from trunkline.store.records import SCAN_BOUND

ACCOUNT, PLAN = AccountId(1), PlanId(1)
LIMIT = 20
FOLLOWING = 10
P99_MOST_MS = 20.0
DAY_MS = 86_400_000
SLICE = 200_000

WORLD = """
INSERT INTO account (public_id, name) SELECT repeat(to_char(n, 'FM00'), 12), 'account' FROM generate_series(1, 20) AS n;
INSERT INTO plan (public_id, account_id, name)
    SELECT lpad(n::text, 24, '0'), 1 + n / 2 % 20, 'plan' FROM generate_series(1, 100) AS n;
"""

# $1 first and $2 last number, of $3; $4 now in ms, $5 the window in ms. The n-th message is the n-th newest.
# Senders 80, 15, 4, 0.9 and 0.1 %. Countries as a few large and many small; one message of 10,000 to Iceland. One of a
# hundred goes to one of 20 numbers (testers), all others to as many numbers as a third of the messages. Most are final:
# DELIVERED 90, FAILED 7, UNKNOWN 1, SENT 1.9, QUEUED 0.1 %; of the last two hours a third is SENT, a thirtieth QUEUED.
FILL = """
WITH made AS (
    SELECT n, to_timestamp(($4::bigint - n * ($5::float8 / $3)) / 1000.0) AS at, random() AS s, random() AS c,
           random() AS r, random() AS f, random() AS m
    FROM generate_series($1::bigint, $2::bigint) AS n
), chosen AS (
    SELECT at, (substr(msg_id_floor(at)::text, 1, 13) || '-7' || substr(md5(n::text), 1, 3) || '-8'
                || substr(md5(n::text), 4, 3) || '-' || substr(md5(n::text), 7, 12))::uuid AS msg_id,
           CASE WHEN s < 0.8 THEN '+15550001111' WHEN s < 0.95 THEN '12345' WHEN s < 0.99 THEN 'Trunkline'
                WHEN s < 0.999 THEN '+15550003333' ELSE 'Rare' END AS sender,
           CASE WHEN c < 0.0001 THEN 'IS' WHEN c < 0.55 THEN 'US' WHEN c < 0.70 THEN 'GB' WHEN c < 0.80 THEN 'DE'
                WHEN c < 0.88 THEN 'NL' WHEN c < 0.93 THEN 'FR'
                ELSE (ARRAY['ES','IT','PT','SE','NO','DK','FI','PL','CZ','AT','CH','BE','IE','MX','BR','IN'])
                     [1 + (c * 100000)::int % 16] END AS country,
           CASE WHEN r < 0.01 THEN '+1555000' || (1000 + (r * 2000)::int)
                ELSE '+1555' || lpad(((r * $3 / 3)::bigint)::text, 7, '0') END AS recipient,
           CASE WHEN m < 0.4 THEN NULL WHEN m < 0.7 THEN '310260' WHEN m < 0.95 THEN '20404'
                WHEN m < 0.999 THEN '26201' ELSE '27401' END AS mccmnc,
           CASE WHEN at > to_timestamp($4 / 1000.0) - interval '2 hours'
                THEN CASE WHEN f < 0.033 THEN 0 WHEN f < 0.366 THEN 1 ELSE 2 END
                ELSE CASE WHEN f < 0.001 THEN 0 WHEN f < 0.02 THEN 1 WHEN f < 0.03 THEN 4 WHEN f < 0.1 THEN 3
                     ELSE 2 END END AS status
    FROM made
), stored AS (
    INSERT INTO msg (plan_id, msg_id, account_id, sender, recipient, body, country, mccmnc, encoding, parts, expires_at,
                     status, sent_at, final_at)
    SELECT 1, msg_id, 1, sender, recipient, 'Your verification code is 482913. It expires in 10 minutes.', country,
           mccmnc, 0, 1, at + interval '3 days', CASE WHEN status > 1 THEN status END,
           CASE WHEN status > 1 THEN at END, CASE WHEN status > 1 THEN at + interval '3 seconds' END
    FROM chosen
)
INSERT INTO ref (carrier_id, canonical_id, recipient, plan_id, msg_id, part_no, parts, link_id, tries, resubmitted,
                 claimed_at, sent_at)
SELECT 1, substr(md5(msg_id::text), 1, 16), recipient, 1, msg_id, 1, 1, 1, 0, false, at, at + interval '1 second'
FROM chosen WHERE status > 0
"""


def cases(now_ms: int, heavy: str, usual: str) -> dict[str, Filters]:
    """Each filter alone, with values that are common, rare and nowhere."""
    wide = Filters(False, None, None, None, None, None, now_ms - WINDOW_MS, now_ms)
    found = {
        "31 days": wide,
        "1 day": replace(wide, from_ms=now_ms - DAY_MS),
        "1 hour": replace(wide, from_ms=now_ms - DAY_MS // 24),
    }
    for sender in ("+15550001111", "+15550003333", "Rare", "nobody"):
        found[f"from {sender}"] = replace(wide, sender=sender)
    for what, recipient in (("of a tester", heavy), ("as usual", usual), ("never used", "+19990000000")):
        found[f"to {what}"] = replace(wide, recipient=recipient)
    for status in Status:
        found[f"status {status.name}"] = replace(wide, status=status)
    for country in ("US", "PT", "IS", "AQ"):
        found[f"country {country}"] = replace(wide, country=country)
    for mccmnc in ("310260", "27401", "99999"):
        found[f"mccmnc {mccmnc}"] = replace(wide, mccmnc=mccmnc)
    return found


@dataclass(slots=True)
class Times:
    """Milliseconds of pages of one kind."""

    all: list[float] = field(default_factory=list)

    def at(self, share: float) -> float:
        ordered = sorted(self.all)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0

    def __str__(self) -> str:
        return f"{self.at(0.5):7.2f} {self.at(0.99):7.2f} {self.at(1):7.2f}"


async def timed(readers: Readers, filters: Filters, after: UUID | None, times: Times) -> UUID | None:
    started = time.perf_counter()
    async with readers.of(ACCOUNT) as conn:
        page = await records.page(conn, PLAN, filters, after, LIMIT)
    times.all.append((time.perf_counter() - started) * 1e3)
    return page.after


async def fill(conn: Connection, count: int, now_ms: int) -> None:
    for back in range(32, -1, -8):
        await conn.execute("UPDATE clock SET shift = make_interval(days => -$1::int)", back)
        await partitions.attach_ahead(conn)
    await conn.execute(WORLD)
    await conn.execute("SELECT setseed(0.5)")
    for first in range(1, count + 1, SLICE):
        last = min(first + SLICE - 1, count)
        await conn.execute(FILL, first, last, count, now_ms, float(WINDOW_MS - 1000), timeout=3600)
        print(f"\r{last:,} messages", end="", file=sys.stderr, flush=True)
    await conn.execute("VACUUM ANALYZE", timeout=3600)
    print(file=sys.stderr)


async def looked_at(conn: Connection, filters: Filters) -> tuple[int, int]:
    """Rows that the newest page scans, and pages of memory that it touches."""
    asked: list[tuple[str, tuple[Any, ...]]] = []

    class Asked:
        async def fetch(self, statement: str, *values: Any) -> list[dict[str, Any]]:
            asked.append((statement, values))
            return [{"msg_id": None, "scan_end": None}]

    await records.page(Asked(), PLAN, filters, None, LIMIT)
    statement, values = asked[0]
    text = await conn.fetchval(f"EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) {statement}", *values)
    plan = json.loads(text)[0]["Plan"]
    scanned = next(node for node in nodes(plan) if node.get("Subplan Name") == "CTE scanned")
    return int(scanned["Actual Rows"]), int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for below in plan.get("Plans", ()):
        yield from nodes(below)


async def measure(dsn: str, count: int, rounds: int) -> int:
    await migrate(dsn)
    login = await connect(dsn, name="fill")
    now_ms = wall_ms()
    await fill(login, count, now_ms)
    heavy = await login.fetchval("SELECT recipient FROM msg WHERE recipient LIKE '+15550001%' LIMIT 1")
    usual = await login.fetchval("SELECT recipient FROM msg WHERE recipient NOT LIKE '+15550001%' LIMIT 1")
    await login.close()
    readers = await Readers.open(dsn, size=1)
    moments = random.Random(1)
    bad = 0
    print(f"{'':24}  newest page             at a random moment      the ten that follow      newest page")
    print(f"{'ms':24}" + "      p50     p99   worst" * 3 + "     rows   pages")
    for name, filters in cases(now_ms, heavy, usual).items():
        newest, anywhere, following = Times(), Times(), Times()
        for _ in range(rounds):
            ends = moments.randrange(filters.from_ms, filters.to_ms + 1)
            for asked, times in ((filters, newest), (replace(filters, to_ms=ends), anywhere)):
                after = await timed(readers, asked, None, times)
                for _ in range(FOLLOWING):
                    if after is None:
                        break
                    after = await timed(readers, asked, after, following)
        async with readers.of(ACCOUNT) as conn:
            rows, touched = await looked_at(conn, filters)
        slow = max(times.at(0.99) for times in (newest, anywhere, following)) > P99_MOST_MS or rows > SCAN_BOUND
        bad += slow
        print(f"{name:24} {newest} {anywhere} {following} {rows:8} {touched:7}{'  !' if slow else ''}", flush=True)
    await readers.close()
    return 1 if bad else 0


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("count", nargs="?", type=int, default=100_000)
    parser.add_argument("rounds", nargs="?", type=int, default=100)
    parser.add_argument("--dsn")
    given = parser.parse_args()
    if given.dsn:
        return asyncio.run(measure(given.dsn, given.count, given.rounds))
    with scratch({"shared_buffers": "1GB", "max_wal_size": "8GB"}) as endpoint:
        return asyncio.run(measure(endpoint.dsn, given.count, given.rounds))


if __name__ == "__main__":
    sys.exit(main())
