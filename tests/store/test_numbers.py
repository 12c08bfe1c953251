"""Importing an operator's ranges: all or nothing, swapped at once, mistakes named; and the watch that follows."""

from __future__ import annotations

import asyncio
import datetime as dt
import io
from collections.abc import Iterable
from functools import partial

import pytest
from watching import watched

from trunkline.admin.document import Mistaken
from trunkline.admin.ranges import Imported, import_ranges
from trunkline.store import audit, db, numbers
from trunkline.store.db import Connection
from trunkline.store.numbers import NumberWatch

HUNDRED_THOUSAND = 100_000


def whole_set(mccmnc: str) -> Iterable[str]:
    """A range of ten numbers each, all of one network."""
    yield "first,last,mccmnc\n"
    for n in range(HUNDRED_THOUSAND):
        yield f"4479{n:05}000,4479{n:05}009,{mccmnc}\n"


async def imported(conn: Connection, *lines: str, skip_bad: bool = False) -> Imported:
    text = [f"{line}\n" for line in lines]
    return await import_ranges(conn, text, name="f.csv", skip_bad=skip_bad, actor="test")


async def mistakes(conn: Connection, *lines: str) -> list[str]:
    before = await rows(conn)
    with pytest.raises(Mistaken) as raised:
        await imported(conn, *lines)
    assert await rows(conn) == before
    return raised.value.lines


async def rows(conn: Connection) -> list[tuple[object, ...]]:
    return [
        tuple(row) for row in await conn.fetch("SELECT first, last, mccmnc, source FROM number_range ORDER BY 1, 2")
    ]


@pytest.fixture
def run(database: str):
    return partial(watched, database, NumberWatch)


def test_a_hundred_thousand_ranges_are_swapped_at_once(run, database: str) -> None:
    """A reader beside the import sees the old ones whole or the new ones whole, in the table and through the watch."""

    async def test(conn: Connection, watch: NumberWatch) -> None:
        done = await import_ranges(conn, whole_set("23410"), name="old.csv", skip_bad=False, actor="test")
        assert done == Imported(HUNDRED_THOUSAND, [], 0)
        await watch.refresh()
        assert watch.mccmnc_of("+447999999005") == "23410"
        reader, seen = await db.connect(database, name="reader"), set()
        beside = asyncio.create_task(
            import_ranges(conn, whole_set("23415"), name="new.csv", skip_bad=False, actor="test")
        )
        looks = 0
        while not beside.done():
            seen |= set(await reader.fetch("SELECT mccmnc, count(*) FROM number_range GROUP BY mccmnc"))
            await watch.refresh()
            ends = {watch.mccmnc_of(number) for number in ("+447900000000", "+447950000000", "+447999999009")}
            assert ends in ({"23410"}, {"23415"})
            looks += 1
        await beside
        await reader.close()
        assert looks > 3
        assert {tuple(row) for row in seen} <= {("23410", HUNDRED_THOUSAND), ("23415", HUNDRED_THOUSAND)}
        await watch.refresh()
        assert watch.mccmnc_of("+447900000000") == "23415"
        assert await conn.fetchval("SELECT count(*) FROM number_incoming") == 0

    run(test)


def test_two_imports_at_once_do_not_mix(run, database: str) -> None:
    async def test(conn: Connection, _: NumberWatch) -> None:
        other = await db.connect(database, name="other")
        await asyncio.gather(
            imported(conn, "prefix,mccmnc", "4479,23410", "4478,23410"), imported(other, "prefix,mccmnc", "4477,23415")
        )
        await other.close()
        assert [row[:3] for row in await rows(conn)] in (
            [("4477", "4477", "23415")],
            [("4478", "4478", "23410"), ("4479", "4479", "23410")],
        )

    run(test)


def test_a_change_by_hand_during_an_import_is_replaced_too(run, database: str) -> None:
    async def test(conn: Connection, _: NumberWatch) -> None:
        other = await db.connect(database, name="other")
        by_hand = other.transaction()
        await by_hand.start()
        await other.execute("INSERT INTO number_range VALUES ('1', '1', '310260')")
        task = asyncio.create_task(imported(conn, "prefix,mccmnc", "4479,23410"))
        async with asyncio.timeout(20):
            while not await other.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
                pass
        await by_hand.commit()
        await task
        await other.close()
        assert [row[0] for row in await rows(conn)] == ["4479"]

    run(test)


def test_the_first_twenty_mistakes_are_told_the_rest_counted_the_import_recorded(run) -> None:
    async def test(conn: Connection, _: NumberWatch) -> None:
        lines = ["prefix,mccmnc", *(f"0{n},23410" for n in range(30)), "44,23410", "44,23415"]
        told = await mistakes(conn, *lines)
        assert len(told) == 21
        assert told[0].startswith("f.csv:2: ")
        assert told[19].startswith("f.csv:21: ")
        assert told[20] == "… and 11 more"
        done = await imported(conn, *lines, skip_bad=True)
        assert (done.range_count, done.skipped_count, done.skipped) == (1, 31, told)
        (entry,) = await audit.entries(conn, "number ranges")
        assert (entry.action, entry.detail) == ("numbers.imported", {"file": "f.csv", "ranges": 1, "skipped": 31})

    run(test)


def test_a_range_said_twice_is_a_mistake_and_the_first_counts(run) -> None:
    async def test(conn: Connection, _: NumberWatch) -> None:
        lines = ["prefix,mccmnc,valid_from", "44,23410,", "44,23415,2020-01-01", "44,23420,", "44,23430,"]
        assert await mistakes(conn, *lines) == [
            "f.csv:4: the same range as in line 2",
            "f.csv:5: the same range as in line 2",
        ]
        assert (await imported(conn, *lines, skip_bad=True)).range_count == 2
        assert [row[2] for row in await rows(conn)] == ["23410", "23415"]

    run(test)


def test_a_file_without_ranges_does_not_take_away_what_is_there(run) -> None:
    async def test(conn: Connection, _: NumberWatch) -> None:
        await imported(conn, "prefix,mccmnc", "1,310260")
        for lines in (["prefix,mccmnc"], ["prefix,mccmnc", "0,23410"]):
            with pytest.raises(Mistaken, match="no ranges in this file"):
                await imported(conn, *lines, skip_bad=True)
        assert await rows(conn) == [("1", "1", "310260", "f.csv")]

    run(test)


def test_what_is_exported_is_imported_as_it_was(run) -> None:
    async def test(conn: Connection, _: NumberWatch) -> None:
        await imported(
            conn, "first,last,mccmnc,valid_from,source", '4479,4480,23410,,"Ofcom, of ""2026"""',
            "44791,44791,001001,2026-12-01T00:00:00.25Z,x",
        )  # fmt: skip
        everything = "SELECT * FROM number_range ORDER BY first"
        before, file = await conn.fetch(everything), io.BytesIO()
        await numbers.export(conn, file)
        await imported(conn, *file.getvalue().decode().splitlines())
        assert await conn.fetch(everything) == before

    run(test)


def test_the_watch_follows_changes_by_hand_and_loads_nothing_otherwise(run) -> None:
    async def test(conn: Connection, watch: NumberWatch) -> None:
        await conn.execute("INSERT INTO number_range VALUES ('4479', '4479', '23410')")
        await watch.refresh()
        loaded = watch.held
        assert loaded.mccmnc_of("+447911123456") == "23410"
        await watch.refresh()
        assert watch.held is loaded
        await conn.execute("TRUNCATE number_range")
        await watch.refresh()
        assert watch.mccmnc_of("+447911123456") is None

    run(test)


def test_a_range_is_valid_from_its_time_on(run) -> None:
    async def test(conn: Connection, watch: NumberWatch) -> None:
        moment = dt.datetime(2040, 1, 1, tzinfo=dt.UTC)
        await imported(conn, "prefix,mccmnc,valid_from", "4479,23410,", f"4479,23415,{moment.isoformat()}")
        for seconds, network in ((-1, "23410"), (0, "23415"), (1, "23415")):
            await conn.execute("UPDATE clock SET held_at = $1", moment + dt.timedelta(seconds=seconds))
            await watch.refresh()
            assert watch.mccmnc_of("+447911123456") == network

    run(test)


def test_the_watch_goes_on_after_its_connection_was_lost(run) -> None:
    async def test(conn: Connection, watch: NumberWatch) -> None:
        await imported(conn, "prefix,mccmnc", "44,23410")
        await watch.refresh()
        await conn.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'trunkline numbers' AND datname = current_database()"
        )
        await imported(conn, "prefix,mccmnc", "44,23415")
        for _ in range(2):
            try:
                await watch.refresh()
            except db.DatabaseError:
                assert watch.mccmnc_of("+447911123456") == "23410"  # what it had
        assert watch.mccmnc_of("+447911123456") == "23415"

    run(test)


def test_the_table_takes_no_range_that_could_not_be_loaded(run) -> None:
    async def test(conn: Connection, _: NumberWatch) -> None:
        for row in ("'044', '044', '23410'", "'44', '445', '23410'", "'45', '44', '23410'", "'44', '44', '2341'",
                    "'', '', '23410'"):  # fmt: skip
            with pytest.raises(db.BadData):
                await conn.execute(f"INSERT INTO number_range VALUES ({row})")

    run(test)
