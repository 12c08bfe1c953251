"""The network that a receipt tells becomes the record's `mccmnc`; without one it stays as at acceptance."""

from __future__ import annotations

import pytest
from receipt_ground import Ground, on_ground

MCC, MNC = 0x1403, 0x1404


async def network(ground: Ground, msg_id: object) -> str | None:
    found: str | None = await ground.conn.fetchval("SELECT mccmnc FROM msg WHERE msg_id = $1", msg_id)
    return found


@pytest.mark.parametrize(
    ("text", "tlvs", "dialect", "found"),
    [
        ("mcc:310 mnc:26", (), {}, "31026"),
        ("", ((MCC, b"262\0"), (MNC, b"02\0")), {"preset": "aggregator"}, "26202"),
        ("", ((0x1405, b"VODA\0"),), {"network_tlv": "0x1405", "networks": {"VODA": "26202"}}, "26202"),
        ("", ((0x1405, b"310260"),), {"network_tlv": "0x1405"}, "310260"),
        ("", ((0x1405, b"OTHER"),), {"network_tlv": "0x1405"}, "00101"),
        ("mcc:3 mnc:26", (), {}, "00101"),
        ("", (), {}, "00101"),
    ],
)
def test_of_a_message_of_one_part(database: str, text, tlvs, dialect, found) -> None:
    async def main(ground: Ground) -> None:
        msg_id = await ground.sent("1")
        await ground.receipt(f"id:1 stat:DELIVRD err:000 {text}", tlvs=tlvs)
        assert await ground.end(msg_id) == ("DELIVERED", 0)
        assert await network(ground, msg_id) == found

    on_ground(database, main, **dialect)


def test_of_a_message_of_several_parts(database: str) -> None:
    """Told by any of them."""

    async def main(ground: Ground) -> None:
        msg_id = await ground.sent("1", "2")
        await ground.receipt("id:1 stat:DELIVRD err:000 mcc:310 mnc:26")
        await ground.receipt("id:2 stat:DELIVRD err:000")
        assert await ground.end(msg_id) == ("DELIVERED", 0)
        assert await network(ground, msg_id) == "31026"

    on_ground(database, main)


def test_of_a_receipt_that_waited_for_its_message(database: str) -> None:
    async def main(ground: Ground) -> None:
        msg_id = await ground.stored()
        await ground.receipt("id:1 stat:DELIVRD err:000 mcc:310 mnc:26")
        assert await ground.parked() == 1
        ground.accept(msg_id, 1, "1")
        await ground.outcomes.drained()
        assert await ground.end(msg_id) == ("DELIVERED", 0)
        assert await network(ground, msg_id) == "31026"

    on_ground(database, main)
