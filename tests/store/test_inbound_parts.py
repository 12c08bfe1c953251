"""Messages in parts: joined once whoever sees which part when, never mixed, and delivered as they are after an hour."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest
from inbound_ground import SOURCE, UCS2, Ground, on_ground, part, sar, whole

from trunkline.mo import binds
from trunkline.smpp.errors import Lost
from trunkline.store import inbound

HOUR = 3600


def test_three_parts_out_of_order_over_two_links(database: str) -> None:
    async def test(ground: Ground) -> None:
        await ground.dispatcher(binds=2)
        await ground.comes(0, part(3, 3, b"three"))
        await ground.comes(1, part(1, 3, b"One "))
        assert await ground.messages() == []
        await ground.comes(0, part(2, 3, b"two "))
        assert await ground.messages() == [("One two three", False)]
        row = await ground.conn.fetchrow("SELECT plan_id, account_id, sender, recipient, keyword FROM mo")
        assert tuple(row) == (1, 1, "+" + SOURCE, "12345", "One")
        assert await ground.conn.fetchval("SELECT count(*) FROM mo_part WHERE octets IS NOT NULL") == 0

    on_ground(database, test)


@pytest.mark.parametrize("kind", ["8", "16", "sar"])
def test_every_way_to_say_what_belongs_together(database: str, kind: str) -> None:
    async def test(ground: Ground) -> None:
        await ground.dispatcher()
        for number, octets in ((2, b"two"), (1, b"one ")):
            pdu = sar(number, 2, octets, ref=700) if kind == "sar" else part(number, 2, octets, bits=int(kind))
            await ground.comes(0, pdu)
        assert await ground.messages() == [("one two", False)]

    on_ground(database, test)


@pytest.mark.parametrize(
    "other",
    [
        part(2, 2, b"two", source="15550009999"), part(2, 3, b"two"), part(2, 2, b"two", ref=8),
        part(2, 2, b"two", bits=16),
    ],
    ids=["another sender", "another total", "another reference", "another width"],
)  # fmt: skip
def test_what_does_not_belong_together(database: str, other: object) -> None:
    async def test(ground: Ground) -> None:
        await ground.dispatcher()
        await ground.comes(0, part(1, 2, b"one "))
        await ground.comes(0, other)
        assert await ground.messages() == []
        await ground.comes(0, part(2, 2, b"TWO"))
        assert await ground.messages() == [("one TWO", False)]

    on_ground(database, test)


@pytest.mark.parametrize("number", [0, 3, 255])
def test_a_part_that_cannot_be_is_a_message_of_its_own(database: str, number: int) -> None:
    async def test(ground: Ground) -> None:
        await ground.dispatcher()
        await ground.comes(0, part(number, 2, b"odd"))
        assert await ground.messages() == [("odd", False)]

    on_ground(database, test)


def test_a_claim_of_many_parts_costs_one_row(database: str) -> None:
    async def test(ground: Ground) -> None:
        await ground.dispatcher()
        await ground.comes(0, part(255, 255, b"x"))
        assert await ground.conn.fetchval("SELECT count(*) FROM mo_part") == 1

    on_ground(database, test)


def test_a_pair_split_over_parts_and_parts_of_two_codings(database: str) -> None:
    async def test(ground: Ground) -> None:
        await ground.dispatcher()
        pair = "ok \U0001f600".encode("utf-16-be")
        await ground.comes(0, part(3, 3, b" end"))
        await ground.comes(0, part(2, 3, pair[8:], coding=UCS2))
        await ground.comes(0, part(1, 3, pair[:8], coding=UCS2))
        assert await ground.messages() == [("ok \U0001f600 end", False)]

    on_ground(database, test)


@pytest.mark.parametrize(("after_s", "count"), [(0, 1), (HOUR - 60, 1), (HOUR + 60, 2)])
def test_a_part_again_is_no_second_message(database: str, after_s: int, count: int) -> None:
    """While the set is open, and for an hour after it was joined."""

    async def test(ground: Ground) -> None:
        await ground.dispatcher(binds=2)
        await ground.comes(0, part(1, 2, b"one "))
        await ground.comes(1, part(1, 2, b"one "))
        await ground.comes(0, part(2, 2, b"two"))
        assert await ground.messages() == [("one two", False)]
        await ground.shift(after_s)
        await inbound.forget(ground.conn)
        await ground.comes(1, part(2, 2, b"two"))
        await ground.comes(1, part(1, 2, b"one "))
        assert await ground.messages() == [("one two", False)] * count

    on_ground(database, test)


def test_a_reference_used_again_at_once(database: str) -> None:
    """Some handsets count to very few: another text under the same reference is another message."""

    async def test(ground: Ground) -> None:
        await ground.dispatcher()
        for text in (b"a", b"b"):
            await ground.comes(0, part(2, 2, text))
            await ground.comes(0, part(1, 2, text))
        await ground.comes(0, part(1, 2, b"c"))
        await ground.comes(0, part(1, 2, b"d"))
        await ground.comes(0, part(2, 2, b"d"))
        assert await ground.messages() == [("aa", False), ("bb", False), ("dd", False)]
        await ground.shift(HOUR + 1)
        await ground.upkeep()
        assert (await ground.messages())[3:] == [("c", True)]

    on_ground(database, test)


def test_all_parts_at_the_same_instant_by_as_many_processes(database: str) -> None:
    """Each has stored its part before any of them looks."""

    async def test(ground: Ground) -> None:
        count = 5
        for _ in range(count):
            await ground.dispatcher()
        looking = await asyncpg.connect(database)
        await ground.comes(0, part(1, count + 1, b"0"))
        key = await ground.conn.fetchval("SELECT set_key FROM mo_part")
        held = looking.transaction()
        await held.start()
        await inbound.lock_sets(looking, [key])
        coming = [ground.comes(n, part(n + 2, count + 1, b"%d" % (n + 1))) for n in range(count)]
        await asyncio.gather(*coming)  # answered before the look
        while await ground.conn.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted") < count:
            await ground.conn.execute("SELECT pg_sleep(0.01)")
        assert await ground.conn.fetchval("SELECT count(*) FROM mo") == 0
        await held.commit()
        await looking.close()
        assert await ground.messages() == [("012345", False)]

    on_ground(database, test)


def test_killed_between_parts(database: str) -> None:
    async def test(ground: Ground) -> None:
        epoch = await ground.dispatcher()
        await ground.comes(0, part(2, 2, b"two"))
        await ground.kill(epoch)
        await ground.dispatcher()
        await ground.comes(1, part(2, 2, b"two"))  # the carrier did not see the answer
        await ground.comes(1, part(1, 2, b"one "))
        assert await ground.messages() == [("one two", False)]

    on_ground(database, test)


def test_killed_between_the_commit_of_the_last_part_and_the_look(database: str) -> None:
    """Upkeep looks, and not before it is sure that nobody else is about to."""

    async def test(ground: Ground) -> None:
        epoch = await ground.dispatcher()
        await ground.comes(0, part(2, 2, b"two"))
        looking = await asyncpg.connect(database)
        key = await ground.conn.fetchval("SELECT set_key FROM mo_part")
        held = looking.transaction()
        await held.start()
        await inbound.lock_sets(looking, [key])
        await ground.comes(0, part(1, 2, b"one "))
        while not await ground.conn.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
            await ground.conn.execute("SELECT pg_sleep(0.01)")
        await ground.kill(epoch)
        await ground.conn.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'trunkline inbound' AND datname = current_database()"
        )
        await held.rollback()
        await looking.close()
        assert await ground.upkeep() == 0
        await ground.shift(3)
        assert await ground.upkeep() == 2
        assert await ground.upkeep() == 0
        assert await ground.messages() == [("one two", False)]

    on_ground(database, test)


def test_after_an_hour_a_message_is_delivered_as_it_is(database: str) -> None:
    """The hour begins with the first part. What comes later is kept for the operator and is no message."""

    async def test(ground: Ground) -> None:
        await ground.dispatcher()
        await ground.comes(0, part(1, 3, b"YES \x1b"))  # the escape is for part 2
        await ground.shift(HOUR / 2)
        await ground.comes(0, part(3, 3, b"end"))
        await ground.shift(HOUR / 2 - 1)
        assert await ground.upkeep() == 0
        await ground.shift(2)
        assert await ground.upkeep() == 2
        assert await ground.messages() == [("YES end", True)]
        for _ in range(2):
            await ground.comes(0, part(2, 3, b"late "))
        assert await ground.messages() == [("YES end", True)]
        (kept,) = await ground.conn.fetch("SELECT carrier_id, reason, raw FROM quarantine")
        assert (kept["carrier_id"], kept["raw"]) == (1, b"late ")
        assert kept["reason"].startswith("part 2 of 3 came after its message")
        await ground.shift(HOUR + 1)
        assert await ground.upkeep() == 0
        await inbound.forget(ground.conn)
        assert await ground.conn.fetchval("SELECT count(*) FROM mo_part") == 0

    on_ground(database, test)


def test_many_sets_that_wait_are_delivered_in_bounded_rounds(database: str) -> None:
    async def test(ground: Ground) -> None:
        await ground.conn.execute(
            "INSERT INTO mo_part (set_key, part_no, digest, carrier_id, link_id, source, destination, total, codec,"
            " locking, single, octets, received_at)"
            " SELECT sha256(n::text::bytea), 1, '', 1, 1, '+1555', '12345', 2, 'gsm7', 0, 0, n::text::bytea,"
            " trunkline_now() - interval '61 minutes' FROM generate_series(1, 1200) AS n"
        )
        assert [await ground.upkeep() for _ in range(4)] == [500, 500, 200, 0]
        assert len(set(await ground.messages())) == 1200

    on_ground(database, test)


def test_a_lost_answer_brings_a_message_again(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The link is lost while the message is on its way to the database: it is stored, and nobody can say so."""
    monkeypatch.setattr(binds, "_EVERY_S", 3600.0)  # it is the link that tells its end

    async def test(ground: Ground) -> None:
        await ground.dispatcher(binds=2)
        storing = await asyncpg.connect(database)
        held = storing.transaction()
        await held.start()
        await storing.execute("LOCK TABLE hook_queue IN ACCESS EXCLUSIVE MODE")
        asked = asyncio.create_task(ground.comes(0, whole(b"YES")))
        while not await ground.conn.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
            await ground.conn.execute("SELECT pg_sleep(0.01)")
        ground.binds[0].abort()
        with pytest.raises(Lost):
            await asked
        await held.commit()
        await storing.close()
        assert await ground.messages() == [("YES", False)]
        while await ground.conn.fetchval("SELECT unsure_from FROM mo_bind") is None:
            await ground.conn.execute("SELECT pg_sleep(0.01)")
        await ground.shift(60)
        await ground.comes(1, whole(b"YES"))
        assert await ground.messages() == [("YES", False)]
        await ground.shift(3 * HOUR)
        await ground.comes(1, whole(b"YES"))  # a healthy link: the person says it again
        assert await ground.messages() == [("YES", False)] * 2

    on_ground(database, test)


def test_parts_are_not_read_by_customers(database: str) -> None:
    async def main() -> None:
        conn = await asyncpg.connect(database)
        await conn.execute("SET ROLE trunkline_reader")
        for table in ("mo_part", "mo_bind"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await conn.fetch(f"SELECT FROM {table}")
        await conn.close()

    asyncio.run(main())
