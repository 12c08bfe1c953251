"""Every way in which carriers write one id on two sides: under the right dialect each receipt finds its message.

And nothing else does: an id alone is not enough, the number has to be the message's.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import pytest
from receipt_ground import CARRIER, Ground, on_ground

from trunkline.dlr import match
from trunkline.store import receipts

NUMBER = 975_150_551
PADDED = {
    "as it is": "{}",
    "zero in front": "0{}",
    "space behind": "{} ",
    "NUL behind": "{}\0",
    "NULs and spaces": " {}\0\0",
}
FORMS = {
    "dec": str,
    "dec of 10": lambda n: f"{n:010}",
    "hex": lambda n: f"{n:x}",
    "HEX": lambda n: f"{n:X}",
    "hex of 16": lambda n: f"{n:016x}",
    "0x": lambda n: f"0x{n:x}",
}
NUMERIC = {"dec": "dec", "dec of 10": "dec", "hex": "hex", "HEX": "hex", "hex of 16": "hex", "0x": "hex"}
TEXTS = ["0e999f21-81ef-4974-a414-3de981740001", "a" * 64, "SAR-1555-1eedf843-2-1", "aB3x+/9Z==", "0" * 63 + "1"]
PLACES = ("text", "tlv")


def receipt_of(shown: str, place: str) -> tuple[str, tuple[tuple[int, bytes], ...]]:
    if place == "text":
        # A field ends at a space, so what is around the id there is the text's, not the id's.
        return f"id:{shown.strip(' ')} stat:DELIVRD err:000", ()
    return "", ((0x001E, shown.encode("latin-1")), (0x0427, b"\2"))


@pytest.mark.parametrize("response", ["dec", "hex"])
@pytest.mark.parametrize("told", ["dec", "hex"])
@pytest.mark.parametrize("place", PLACES)
def test_numbers(database: str, response: str, told: str, place: str) -> None:
    """All pairs of forms that the profile covers, with all that stands around an id, in one carrier."""
    form = "receipt_id_form" if place == "text" else "tlv_id_form"
    left = [name for name, kind in NUMERIC.items() if kind == response]
    right = [name for name, kind in NUMERIC.items() if kind == told]

    async def main(ground: Ground) -> None:
        number, sent = NUMBER, []
        for given in left:
            for shown in right:
                for around in PADDED.values():
                    if around.startswith("0") and "0x" in (given, shown):
                        continue  # "00x1f" is no number
                    number += 1
                    sent.append(await ground.sent(around.format(FORMS[given](number))))
                    text, tlvs = receipt_of(around.format(FORMS[shown](number)), place)
                    await ground.receipt(text, tlvs=tlvs)
        delivered = await ground.conn.fetchval("SELECT count(*) FROM msg WHERE status = 2")
        assert (delivered, await ground.parked()) == (len(sent), 0)

    on_ground(database, main, response_id_form=response, **{form: told})


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    ("dialect", "given", "told"),
    [
        ({}, lambda text: text, lambda text: text),
        ({}, lambda text: text + "\0", lambda text: text),
        ({"preset": "any_case"}, str.upper, str.lower),
        ({"receipt_id_prefix": "smsc1-", "response_id_prefix": ""}, lambda text: text, lambda text: "smsc1-" + text),
        ({"response_id_prefix": "MSG:"}, lambda text: "MSG:" + text, lambda text: text),
    ],
    ids=["str", "NUL behind", "nocase", "prefix of receipts", "prefix of responses"],
)
def test_texts(database: str, place: str, dialect: dict[str, str], given: Any, told: Any) -> None:
    if place == "tlv" and dialect.get("receipt_id_prefix"):
        pytest.skip("a prefix of texts")

    async def main(ground: Ground) -> None:
        for text in TEXTS:
            await ground.sent(given(text))
            body, tlvs = receipt_of(told(text), place)
            await ground.receipt(body, tlvs=tlvs)
        assert await ground.conn.fetchval("SELECT count(*) FROM msg WHERE status = 2") == len(TEXTS)
        assert await ground.parked() == 0

    on_ground(database, main, **dialect)


def test_nothing_is_guessed(database: str) -> None:
    """Under the defaults a hexadecimal id and its decimal value are two ids; a zero in front makes another."""

    async def main(ground: Ground) -> None:
        for given, told in (("3a1f9dd7", "975150551"), ("0042", "42"), ("AbC", "abc")):
            msg_id = await ground.sent(given)
            await ground.receipt(f"id:{told} stat:DELIVRD err:000")
            assert await ground.end(msg_id) == ("SENT", 0)
        assert await ground.parked() == 3

    on_ground(database, main)


def test_the_number_has_to_be_the_messages(database: str) -> None:
    async def main(ground: Ground) -> None:
        mine = await ground.sent("77", to="+15550000001")
        await ground.receipt("id:77 stat:DELIVRD err:000", source="+15550000002")
        assert await ground.end(mine) == ("SENT", 0)
        # The carrier has begun anew with its ids: the newest message to this number is meant.
        newer = await ground.sent("77", to="+15550000001")
        await ground.receipt("id:77 stat:DELIVRD err:000", source="+15550000001")
        assert [await ground.end(msg_id) for msg_id in (mine, newer)] == [("SENT", 0), ("DELIVERED", 0)]
        # Neither address a number at all: the id alone, where one message has it.
        other = await ground.sent("78", to="+15550000003")
        await ground.receipt("id:78 stat:DELIVRD err:000", source="SHOP")
        assert await ground.end(other) == ("DELIVERED", 0)

    on_ground(database, main)


@dataclass(frozen=True)
class Size:
    count: int


FULL = [pytest.mark.fault, pytest.mark.timeout(400)]


@pytest.mark.parametrize(
    "size", [pytest.param(Size(4000), id="short"), pytest.param(Size(1_000_000), id="full", marks=FULL)]
)
def test_no_receipt_finds_anothers_message(database: str, size: Size) -> None:
    """Random ids of few digits, so that many messages have the same one: each receipt finds one to its own number."""

    async def main(ground: Ground) -> None:
        chance = random.Random(1)
        rows: list[tuple[str, str, UUID]] = []
        for n in range(size.count):
            shown = str(chance.randrange(size.count // 4))
            rows.append((shown, f"+1555{n % (size.count // 8):07d}", uuid4()))
        await ground.conn.execute("CREATE TEMP TABLE given (canonical_id text, recipient text, msg_id uuid)")
        await ground.conn.copy_records_to_table("given", records=rows)
        await ground.conn.execute(
            "INSERT INTO ref SELECT 1, canonical_id, recipient, 1, msg_id, 1, 1, 1, 0, false, trunkline_now(),"
            " trunkline_now() FROM given"
        )
        mine = {(shown, recipient) for shown, recipient, _ in rows}
        right = wrong = strangers = 0
        for start in range(0, len(rows), 5000):
            batch = rows[start : start + 5000]
            found = match.by_id(
                await receipts.candidates(ground.conn, CARRIER, list({row[0] for row in batch}), match.RECENT)
            )
            for shown, recipient, _ in batch:
                candidate = match.find(found, shown, recipient, "+15559999999")
                right += candidate is not None and candidate.recipient == recipient
                # The same id from a number that never had it.
                stranger = f"+1666{chance.randrange(10**7):07d}"
                assert (shown, stranger) not in mine
                strangers += match.find(found, shown, stranger, "+15559999999") is not None
                wrong += candidate is not None and candidate.recipient != recipient
        assert (right, wrong, strangers) == (size.count, 0, 0)

    on_ground(database, main, within_s=300)
