"""Receipts that are none, or half of one, at the door: each is answered OK and kept, and moves only its own."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from receipt_ground import Ground, on_ground

from trunkline.carriers import receipt
from trunkline.upkeep import overdue

CORPUS = Path(__file__).parents[1] / "corpus"


def rows() -> list[dict[str, Any]]:
    found = []
    for file in ("receipts.json", "receipts_malformed.json"):
        found += json.loads((CORPUS / file).read_text("utf-8"))["rows"]
    return found


def octets_of(row: dict[str, Any]) -> bytes:
    given = row.get("hex") or row.get("short_message_hex")
    return bytes.fromhex(given) if given is not None else row.get("text", "").encode("latin-1")


def tlvs_of(row: dict[str, Any]) -> list[tuple[int, bytes]]:
    return [(int(tlv["tag"], 16), bytes.fromhex(tlv["value_hex"])) for tlv in row.get("tlvs", ())]


def test_every_row_is_kept(database: str) -> None:
    """With a message under way, whose id none of them has: it stays as it is."""

    async def main(ground: Ground) -> None:
        msg_id = await ground.sent("nobody's id")
        for number, row in enumerate(rows(), start=1):
            await ground.receipt(octets_of(row), tlvs=tlvs_of(row))
            kept = await ground.conn.fetchval("SELECT count(*) FROM receipt") + await ground.parked()
            assert kept == number, row["id"]
        assert await ground.end(msg_id) == ("SENT", 0)

    on_ground(database, main)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("id:7 stat:NOROUTE", 905),
        ("id:7 err:000", 905),
        ("id:7 stat:ENROUTE", 703),
        ("nothing that reads", 703),  # matched to nobody
        ("id:8 stat:NOROUTE", 703),  # somebody else's
    ],
)
def test_not_understood_is_told_only_of_what_it_is_about(database: str, text: str, code: int) -> None:
    async def main(ground: Ground) -> None:
        msg_id = await ground.sent("7")
        await ground.receipt(text)
        assert await ground.end(msg_id) == ("SENT", 0)
        await ground.passes(3 * 86400 + overdue.RECEIPT_GRACE_S + 60)
        await overdue.WithoutReceipt().run(ground.conn)
        assert await ground.end(msg_id) == ("UNKNOWN", code)

    on_ground(database, main)


def test_what_cannot_be_decoded_is_kept_whole(database: str) -> None:
    async def main(ground: Ground) -> None:
        octets = bytes(range(256))
        ground.garbage(octets)
        await ground.receiver.drained()
        assert ground.session.statuses == [0]
        assert await ground.conn.fetchval("SELECT raw FROM quarantine") == octets

    on_ground(database, main)


# A small grammar of receipts: fields in any order and number, values of any kind, octets changed.

_KEYS = ["id", "sub", "dlvrd", "submit date", "done date", "stat", "err", "text", "Text", "mcc", "mnc", "x", ""]
_VALUES = ["", "7", "001", "DELIVRD", "undeliv", "2601010000", "0x1f", "é", "\0", "id:9", "stat:DELIVRD", "%s", "'" * 9]


def receipt_of(chance: random.Random) -> bytes:
    """One receipt of the grammar."""
    fields = [
        f"{chance.choice(_KEYS)}{chance.choice(':::= ')}{chance.choice(_VALUES)}" for _ in range(chance.randrange(12))
    ]
    octets = bytearray(chance.choice((" ", " ", " ", "\n", ",", "")).join(fields).encode("latin-1"))
    if chance.random() < 0.2:
        octets = bytearray(octets.decode("latin-1").encode("utf-16-be"))
    for _ in range(chance.choice((0, 0, 0, 1, 5))):
        if octets:
            octets[chance.randrange(len(octets))] = chance.randrange(256)
    return bytes(octets[: chance.choice((255, 255, 40, 1))])


@dataclass(frozen=True)
class Size:
    read: int
    stored: int


FULL = [pytest.mark.fault, pytest.mark.timeout(300)]


@pytest.mark.parametrize("size", [Size(5000, 300), pytest.param(Size(2_000_000, 20_000), marks=FULL)], ids=str)
def test_the_grammar(database: str, size: Size) -> None:
    chance = random.Random(2)
    for _ in range(size.read):
        octets = receipt_of(chance)
        found = receipt.parse(chance.choice((4, 0x44, 0x20)), octets)
        assert "\0" not in (found.message_id or "") + (found.stat or "") + (found.err or "")

    async def main(ground: Ground) -> None:
        for _ in range(size.stored):
            await ground.receipt(receipt_of(chance), wait=False)
        await ground.receiver.drained()
        assert ground.session.statuses == [0] * size.stored
        assert await ground.conn.fetchval("SELECT count(*) FROM receipt") + await ground.parked() == size.stored

    on_ground(database, main)
