"""Responses that were lost: with a reference of ours in the receipt it is told which message it is about, without only
where one message to that number is in doubt."""

from __future__ import annotations

from uuid import UUID

import pytest
from receipt_ground import Ground, on_ground

from trunkline.dlr import match
from trunkline.mt.submit import user_message_reference
from trunkline.upkeep import rescue

NUMBER = "+15550001111"


async def doubtful(ground: Ground, parts: int = 1) -> UUID:
    msg_id = await ground.stored(parts, to=NUMBER)
    for part_no in range(1, parts + 1):
        await ground.conn.execute(
            "INSERT INTO doubt VALUES (1, $1, $2, 1, $3, 902, trunkline_now(), trunkline_now() + interval '1 hour', 0,"
            " false)",
            msg_id, part_no, NUMBER,
        )  # fmt: skip
    return msg_id


async def told(ground: Ground, raw_id: str, reference: int | None) -> None:
    tlvs = [] if reference is None else [(0x0204, reference.to_bytes(2, "big"))]
    await ground.receipt(f"id:{raw_id} stat:DELIVRD err:000", tlvs=tlvs)


async def looked(ground: Ground) -> None:
    await ground.passes(3)
    await rescue.look_again(ground.conn, match.look)


def test_by_the_reference(database: str) -> None:
    """Three messages to one number, one of two parts: each receipt is about one part."""

    async def main(ground: Ground) -> None:
        messages = [await doubtful(ground), await doubtful(ground), await doubtful(ground, parts=2)]
        for number, msg_id in enumerate(messages[1:], start=1):
            await told(ground, f"a{number}", user_message_reference(msg_id, 1))
        await looked(ground)
        assert [(await ground.end(msg_id))[0] for msg_id in messages] == ["QUEUED", "DELIVERED", "SENT"]
        await told(ground, "b", user_message_reference(messages[2], 2))
        await looked(ground)
        assert [(await ground.end(msg_id))[0] for msg_id in messages] == ["QUEUED", "DELIVERED", "DELIVERED"]
        await told(ground, "c", 1)  # of none of them
        await looked(ground)
        assert (await ground.end(messages[0]))[0] == "QUEUED"

    on_ground(database, main, user_message_reference=True)


@pytest.mark.parametrize("dialect", [{}, {"user_message_reference": True}])
def test_without_one_where_only_one_is_in_doubt(database: str, dialect: dict[str, bool]) -> None:
    async def main(ground: Ground) -> None:
        one = await doubtful(ground)
        await told(ground, "a", None)
        await looked(ground)
        assert (await ground.end(one))[0] == "DELIVERED"
        two = [await doubtful(ground), await doubtful(ground)]
        await told(ground, "b", None)
        await looked(ground)
        assert [(await ground.end(msg_id))[0] for msg_id in two] == ["QUEUED", "QUEUED"]

    on_ground(database, main, **dialect)


def test_a_reference_that_is_not_ours_says_nothing(database: str) -> None:
    async def main(ground: Ground) -> None:
        one = await doubtful(ground)
        await told(ground, "a", 0x1234)
        await looked(ground)
        assert (await ground.end(one))[0] == "DELIVERED"

    on_ground(database, main)
