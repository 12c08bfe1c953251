"""What a claim does with a message that is over, by its validity or otherwise, and with one that is sent once more."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from test_status_moves import HOUR_S, Life, PlayedLink, live
from trip_rows import passes

from trunkline.carriers.dialect import from_mapping
from trunkline.domain.routes import Choice
from trunkline.mt import dispatch
from trunkline.mt.outcome import NO_RESPONSE
from trunkline.store import queue
from trunkline.store.queue import ANY_PARTS, FIRST, Lane

FAILED, UNKNOWN = 3, 4


async def claim_and_submit(life: Life) -> None:
    """What the dispatcher does with what stands in the queue."""
    life.claim_no += 1
    claimed = await queue.claim(
        life.conn, 1, 1, [(Lane(0, 1), FIRST, 100)], free_parts=100, alone_parts=ANY_PARTS, claim_no=life.claim_no
    )
    assert claimed
    contents = await queue.contents(life.conn, claimed)
    batch = [(*one, Choice(1)) for one in zip(claimed, contents, strict=True)]
    by = asyncio.get_running_loop().time() + 60
    life.dispatch._submit_all(batch, await queue.database_now(life.conn), by)
    await life.outcomes.drained()


@pytest.mark.parametrize(
    ("dialect", "statuses", "code"),
    [
        ({}, (), 702),
        ({}, (0x58,), 459),
        ({}, (0x14,), 458),
        ({}, (0x58, 0x14), 458),
        ({}, (0x04,), 461),
        ({"refusals": {"0x410": {"action": "slow_down", "code": "459"}}}, (0x410,), 459),
    ],
)
@pytest.mark.parametrize("parts", [1, 2])
def test_expired_while_claimed(
    database: str, dialect: dict[str, Any], statuses: tuple[int, ...], code: int, parts: int
) -> None:
    async def main(life: Life) -> None:
        await life.conn.execute("UPDATE carrier SET dialect = $1::jsonb", json.dumps(dialect))
        await life.conn.execute("UPDATE carrier_lease SET up_at = trunkline_now() + interval '1 minute'")
        life.outcomes.dialect = from_mapping(dialect)
        for status in statuses:
            for part_no in range(1, parts + 1):
                await life.answered(status, part_no)
        await passes(life.conn, 72 * HOUR_S + 1)
        await queue.move_due(life.conn)
        await claim_and_submit(life)
        row = await life.row()
        assert (row["status"], row["error_code"]) == (FAILED, code)
        assert await life.conn.fetchval("SELECT count(*) FROM inflight") == 0
        last = "SELECT outcome FROM attempt ORDER BY ended_at DESC LIMIT 1"
        assert await life.conn.fetchval(last) == "expired"

    live(database, parts, main)


def test_expired_with_parts_at_the_carrier(database: str) -> None:
    async def main(life: Life) -> None:
        await life.answered(0, 1)
        await life.answered(0x58, 2)
        await passes(life.conn, 72 * HOUR_S + 1)
        await queue.move_due(life.conn)
        await claim_and_submit(life)
        row = await life.row()
        assert (row["status"], row["error_code"]) == (FAILED, 464)

    live(database, 2, main)


@pytest.mark.parametrize("how", ["claimed", "expired"])
@pytest.mark.parametrize("parts", [1, 2])
def test_what_waits_of_a_message_that_ended_decides_nothing(database: str, how: str, parts: int) -> None:
    """It was to be sent once more, and meanwhile the carrier told about the first one: unknown."""

    async def main(life: Life) -> None:
        for part_no in range(1, parts + 1):
            await life.answered(0x58, part_no)
        await life.conn.execute("UPDATE msg SET status = 4, error_code = 704, final_at = trunkline_now()")
        if how == "claimed":
            await passes(life.conn, 5)
            await queue.move_due(life.conn)
            await claim_and_submit(life)
            assert await life.conn.fetchval("SELECT outcome FROM attempt ORDER BY ended_at DESC LIMIT 1") == "over"
        else:
            await passes(life.conn, 72 * HOUR_S + 1)
            await life.rounds()
        row = await life.row()
        assert (row["status"], row["error_code"], row["late"]) == (UNKNOWN, 704, False)
        for table in ("inflight", "mt_queue", "mt_later", "part_outcome"):
            assert await life.conn.fetchval(f"SELECT count(*) FROM {table}") == 0, table

    live(database, parts, main)


def test_a_late_response_is_taken_and_counted(database: str) -> None:
    """The message is sent, nothing is sent again."""

    async def main(life: Life) -> None:
        late = dispatch._LATE.of("carrier")
        before = late.value
        ticket = await life.ticket(life.msg_id, 1)
        life.outcomes.in_doubt(ticket, NO_RESPONSE)
        await life.outcomes.drained()
        life.dispatch.submit_answered(PlayedLink(), ticket, 0, "101", late=True, nacked=False)
        await life.outcomes.drained()
        assert (await life.row())["now"] == 1
        assert late.value == before + 1
        for table in ("doubt", "mt_queue", "mt_later"):
            assert await life.conn.fetchval(f"SELECT count(*) FROM {table}") == 0, table
        await life.receipt("DELIVRD")
        assert (await life.row())["now"] == 2

    live(database, 1, main)


def test_what_is_sent_once_more_is_claimed_alone(database: str) -> None:
    """If it is what killed the dispatcher before, it takes no other with it."""

    async def main(life: Life) -> None:
        ids = [life.msg_id, *[await life.accept() for _ in range(5)]]
        await life.conn.execute("UPDATE mt_queue SET resubmitted = true WHERE msg_id = ANY($1)", [ids[2], ids[3]])
        found = []
        for claim_no in range(1, 9):
            claimed = await queue.claim(
                life.conn, 1, 1, [(Lane(0, 1), FIRST, 100)], free_parts=100, alone_parts=ANY_PARTS, claim_no=claim_no
            )
            found.append([ids.index(message.msg_id) for message in claimed])
        assert [sorted(one) for one in found if one] == [[0, 1], [2], [3], [4, 5]]

    live(database, 1, main)


def test_the_parts_behind_one_that_is_refused_are_not_written(database: str) -> None:
    """They wait for room at the links; what of other messages waits there stays."""

    async def main(life: Life) -> None:
        other = await life.accept()
        mine = [await life.ticket(life.msg_id, part_no) for part_no in (1, 2, 3)]
        theirs = await life.ticket(other, 1)
        by = asyncio.get_running_loop().time() + 60
        outbox = life.dispatch._outbox
        outbox.put([(None, ticket) for ticket in (mine[1], theirs, mine[2])], by)
        life.dispatch.submit_answered(PlayedLink(), mine[0], 0x0A, "", late=False, nacked=False)
        assert [entry[1] for entry in outbox._waiting] == [theirs]
        await life.outcomes.drained()
        row = await life.row()
        assert (row["status"], row["error_code"]) == (FAILED, 452)
        assert await life.conn.fetchval("SELECT count(*) FROM inflight") == 1

    live(database, 3, main)
