"""Pages of records on a real database against the same filters in Python: nothing repeated, nothing skipped."""

from __future__ import annotations

import asyncio
import datetime as dt
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from records_stock import DAY_MS, NOW_MS, fill, id_at, make_partitions

from trunkline.domain.filters import WINDOW_MS, Filters
from trunkline.domain.inbound import Inbound
from trunkline.domain.message import Record
from trunkline.domain.provisioning import PlanId
from trunkline.domain.status import Status
from trunkline.store import db, records

PLAN = PlanId(1)
ALL = Filters(False, None, None, None, None, None, NOW_MS - WINDOW_MS, NOW_MS + 1000)

filters = st.builds(
    Filters,
    inbound=st.just(False),
    sender=st.sampled_from([None, None, "Rare", "+15550001111", "nobody"]),
    recipient=st.sampled_from([None, None, None, "+15550000007", "+15550000042", "+19990000000"]),
    status=st.sampled_from([None, *Status]),
    country=st.sampled_from([None, None, "NL", "US"]),
    mccmnc=st.sampled_from([None, None, None, "310260"]),
    from_ms=st.integers(NOW_MS - 45 * DAY_MS, NOW_MS),
    to_ms=st.integers(NOW_MS - 45 * DAY_MS, NOW_MS),
)


def kept(everything: list[Record], by: Filters) -> list[Record]:
    return [
        record
        for record in everything
        if by.from_ms <= record.msg_id.int >> 80 <= by.to_ms
        and by.sender in (None, record.sender)
        and by.recipient in (None, record.recipient)
        and by.status in (None, record.status)
        and by.country in (None, record.country)
        and by.mccmnc in (None, record.mccmnc)
    ]


async def walk(conn: db.Connection, by: Filters, limit: int, scan_bound: int) -> list[Record]:
    found: list[Record] = []
    after = None
    while True:
        page = await records.page(conn, PLAN, by, after, limit, scan_bound)
        assert len(page.records) <= limit
        found += page.records  # type: ignore[arg-type]
        if not page.has_more:
            return found
        assert page.after is not None
        assert after is None or page.after < after
        after = page.after


def test_pages_against_the_same_filters_in_python(database: str) -> None:
    with asyncio.Runner() as runner:
        conn = runner.run(db.connect(database, name="test"))
        runner.run(make_partitions(conn))
        runner.run(fill(conn, PLAN, 1500))
        runner.run(fill(conn, 2, 300))  # somebody else's
        wide = replace(ALL, from_ms=0)
        everything = runner.run(walk(conn, wide, 100, 5000))
        assert len(everything) == 1500
        assert sorted(everything, key=lambda record: record.msg_id, reverse=True) == everything
        assert {record.status for record in everything} == {Status.QUEUED, Status.SENT, Status.FAILED, Status.UNKNOWN}

        one = everything[700]
        moment = one.msg_id.int >> 80
        assert runner.run(walk(conn, replace(wide, from_ms=moment, to_ms=moment), 5, 5000)) == [one]

        @given(filters, st.integers(1, 100), st.sampled_from([1, 7, 100, 101, 5000]))
        @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
        def check(by: Filters, limit: int, scan_bound: int) -> None:
            if scan_bound == 1:
                by = replace(by, from_ms=max(by.from_ms, by.to_ms - DAY_MS))  # a page for each row takes its time
            assert runner.run(walk(conn, by, limit, scan_bound)) == kept(everything, by)

        check()
        runner.run(conn.close())


def test_what_ref_tells_of_a_message_that_is_not_final(database: str) -> None:
    async def main() -> None:
        conn = await db.connect(database, name="test")
        msg_id = id_at(NOW_MS, 1)
        await conn.execute(
            "INSERT INTO msg (plan_id, msg_id, account_id, encoding, parts, expires_at) VALUES (1, $1, 1, 0, 3, now())",
            msg_id,
        )
        queued = await records.get(conn, PLAN, msg_id)
        assert queued is not None
        assert (queued.status, queued.sent_at, queued.parts, queued.resubmitted) == (Status.QUEUED, None, 3, False)
        first = dt.datetime.fromtimestamp(NOW_MS / 1000 + 1, dt.UTC)
        for part, again in ((2, True), (1, False)):
            await conn.execute(
                "INSERT INTO ref VALUES (1, $1, '+1', 1, $2, $3, 4, 1, 0, $4, $5, $5)",
                str(part), msg_id, part, again, first + dt.timedelta(seconds=part - 1),
            )  # fmt: skip
        sent = await records.get(conn, PLAN, msg_id)
        assert sent is not None
        # First acceptance of any part; as many parts as were submitted.
        assert (sent.status, sent.sent_at, sent.parts, sent.resubmitted) == (Status.SENT, first, 4, True)
        assert (await records.page(conn, PLAN, replace(ALL, status=Status.SENT), None, 5)).records == [sent]
        await conn.execute("UPDATE msg SET status = 2, sent_at = $2, final_at = $2 WHERE msg_id = $1", msg_id, first)
        final = await records.get(conn, PLAN, msg_id)
        assert final is not None
        assert (final.status, final.sent_at, final.parts) == (Status.DELIVERED, first, 3)
        assert await records.get(conn, PlanId(2), msg_id) is None
        await conn.close()

    asyncio.run(main())


@pytest.mark.parametrize(("limit", "scan_bound"), [(1, 1), (2, 5000), (3, 2), (100, 5000)])
def test_pages_of_inbound_messages(database: str, limit: int, scan_bound: int) -> None:
    async def main() -> list[Inbound]:
        conn = await db.connect(database, name="test")
        for n in range(7):
            await conn.execute(
                "INSERT INTO mo VALUES ($1, $2, 1, 1, 1, $3, '12345', 'x', NULL, 'x', false, '', now())",
                1 if n else 2, id_at(NOW_MS - 1000 * n, n), "+15550002222" if n % 2 else "+15550003333",
            )  # fmt: skip
        found: list[Inbound] = []
        by, after = Filters(True, "+15550002222", "12345", None, None, None, ALL.from_ms, ALL.to_ms), None
        while True:
            page = await records.page(conn, PLAN, by, after, limit, scan_bound)
            found += page.records  # type: ignore[arg-type]
            if not page.has_more:
                await conn.close()
                return found
            after = page.after

    assert [inbound.msg_id for inbound in asyncio.run(main())] == [id_at(NOW_MS - 1000 * n, n) for n in (1, 3, 5)]
