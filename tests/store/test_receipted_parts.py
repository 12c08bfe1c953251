"""Carriers that receipt one part of a long message: it speaks for the others, once they are accepted."""

from __future__ import annotations

import pytest
from receipt_ground import Ground, on_ground

from trunkline.dlr import match
from trunkline.upkeep import overdue, rescue

DELIVERED, UNDELIVERED = "id:{} stat:DELIVRD err:000", "id:{} stat:UNDELIV err:001"


@pytest.mark.parametrize(("receipted", "spoken"), [("first", "a"), ("last", "c")])
@pytest.mark.parametrize(
    ("text", "end"), [(DELIVERED, ("DELIVERED", 0)), (UNDELIVERED, ("FAILED", 306))], ids=["delivered", "failed"]
)
def test_one_receipt_decides(database: str, receipted: str, spoken: str, text: str, end: tuple[str, int]) -> None:
    async def main(ground: Ground) -> None:
        msg_id = await ground.sent("a", "b", "c")
        assert await ground.end(msg_id) == ("SENT", 0)
        await ground.receipt(text.format(spoken))
        assert await ground.end(msg_id) == end
        assert await ground.conn.fetchval("SELECT count(*) FROM hook_queue WHERE n = 2") == 1

    on_ground(database, main, receipted_parts=receipted)


def test_not_before_the_others_are_accepted(database: str) -> None:
    """The last part's receipt comes while another part still waits to be submitted: it is not delivered as a whole."""

    async def main(ground: Ground) -> None:
        msg_id = await ground.stored(parts=3)
        for part_no, raw_id in ((1, "a"), (3, "c")):
            ground.accept(msg_id, part_no, raw_id)
        await ground.outcomes.drained()
        await ground.receipt(DELIVERED.format("c"))
        assert await ground.end(msg_id) == ("SENT", 0)
        ground.accept(msg_id, 2, "b")
        await ground.outcomes.drained()
        assert await ground.end(msg_id) == ("DELIVERED", 0)

    on_ground(database, main, receipted_parts="last")


def test_a_crash_before_the_look_is_made_good(database: str) -> None:
    async def main(ground: Ground) -> None:
        msg_id = await ground.sent("a", "b")
        # What a crash leaves: the part's outcome is committed, and nobody looked at the message.
        await ground.conn.execute("INSERT INTO part_outcome SELECT 1, msg_id, 2, 2, 0, false, trunkline_now() FROM msg")
        await rescue.look_again(ground.conn, match.look)
        assert await ground.end(msg_id) == ("DELIVERED", 0)

    on_ground(database, main, receipted_parts="last")


def test_a_receipt_of_another_part_counts_as_well(database: str) -> None:
    """A part that fails fails the message, whoever was expected to speak."""

    async def main(ground: Ground) -> None:
        msg_id = await ground.sent("a", "b")
        await ground.receipt(UNDELIVERED.format("a"))
        assert await ground.end(msg_id) == ("FAILED", 306)

    on_ground(database, main, receipted_parts="last")


def test_without_any_receipt(database: str) -> None:
    """Silence about all parts is silence, not "some are told"."""

    async def main(ground: Ground) -> None:
        msg_id = await ground.sent("a", "b")
        await ground.passes(3 * 86400 + overdue.RECEIPT_GRACE_S + 60)
        assert await overdue.WithoutReceipt().run(ground.conn) == 1
        assert await ground.end(msg_id) == ("UNKNOWN", 703)

    on_ground(database, main, receipted_parts="last")


def test_a_message_of_one_part_is_its_own_last(database: str) -> None:
    async def main(ground: Ground) -> None:
        msg_id = await ground.sent("a")
        await ground.receipt(DELIVERED.format("a"))
        assert await ground.end(msg_id) == ("DELIVERED", 0)
        assert await ground.conn.fetchval("SELECT count(*) FROM part_outcome") == 0

    on_ground(database, main, receipted_parts="last")
