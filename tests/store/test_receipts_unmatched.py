"""`trunkline receipts unmatched`: what it says of each mismatch is what would make these receipts match."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any

import asyncpg
import pytest
from click.testing import CliRunner
from receipt_ground import Ground, on_ground

from trunkline.cli import main as command

NUMBERS = range(975_150_551, 975_150_571)


def told(dsn: str, *arguments: str) -> str:
    environ = {"DATABASE_URL": dsn, "TRUNKLINE_ALLOW_UNSAFE_DATABASE": "on"}
    done = CliRunner(env=environ).invoke(command, ["receipts", "unmatched", *arguments])
    assert done.exit_code == 0, done.output + repr(done.exception)
    return done.output


def unmatched(
    database: str,
    given: Callable[[int], str],
    shown: Callable[[int], str],
    *,
    in_tlv: bool = False,
    **dialect: Any,
) -> None:
    """Twenty messages with receipts that do not find them, by the dialect as it is."""

    async def main(ground: Ground) -> None:
        for number in NUMBERS:
            await ground.sent(given(number))
            if in_tlv:
                await ground.receipt("", tlvs=[(0x001E, shown(number).encode()), (0x0427, b"\2")])
            else:
                await ground.receipt(f"id:{shown(number)} stat:DELIVRD err:000")
        assert await ground.parked() == len(NUMBERS)
        await ground.passes(3)

    on_ground(database, main, **dialect)


def applied(sentence: str) -> dict[str, str]:
    """The settings that the sentence names."""
    return dict(re.findall(r'(\w+) = "([^"]*)"', sentence))


def hexadecimal(n: int) -> str:
    return f"{n:x}"


@pytest.mark.parametrize(
    ("given", "shown", "dialect", "advice"),
    [
        (hexadecimal, str, {}, {"response_id_form": "hex", "receipt_id_form": "dec"}),
        (str, hexadecimal, {}, {"response_id_form": "dec", "receipt_id_form": "hex"}),
        (str, "{:012}".format, {}, {"response_id_form": "dec", "receipt_id_form": "dec"}),
        ("ab{:x}z".format, "AB{:X}Z".format, {}, {"response_id_form": "str_nocase", "receipt_id_form": "str_nocase"}),
        (str, "smsc1-{}".format, {}, {"receipt_id_prefix": "smsc1-"}),
        ("MSG{}".format, str, {}, {"response_id_prefix": "MSG"}),
        (hexadecimal, str, {"preset": "dec_to_hex"}, {"response_id_form": "hex", "receipt_id_form": "dec"}),
        (str, str, {"preset": "hex_to_dec"}, {"response_id_form": "dec", "receipt_id_form": "dec"}),
    ],
    ids=["hex-dec", "dec-hex", "padded", "case", "prefix", "prefix of responses", "the wrong preset", "preset amiss"],
)
def test_the_setting_that_helps_is_named(
    database: str,
    given: Callable[[int], str],
    shown: Callable[[int], str],
    dialect: dict[str, Any],
    advice: dict[str, str],
) -> None:
    unmatched(database, given, shown, **dialect)
    output = told(database)
    (sentence,) = [line for line in output.splitlines() if line.startswith("  With ")]
    assert applied(sentence) == advice
    assert "20 of the 20" in sentence
    lines = {line.split("  ")[1].strip(): line for line in output.splitlines()[1:-1]}
    assert shown(NUMBERS[-1]) in lines["receipt, text"]
    assert "submit_sm_resp" in lines


def test_what_it_says_is_so(database: str) -> None:
    """The dialect that it names, and the same carrier."""
    unmatched(database, hexadecimal, str)
    advice = applied(told(database).splitlines()[-1])

    async def anew() -> None:
        conn = await asyncpg.connect(database)
        await conn.execute("TRUNCATE msg, ref, parked, link, carrier, sender, plan, account RESTART IDENTITY CASCADE")
        await conn.close()

    async def main(ground: Ground) -> None:
        for number in NUMBERS:
            await ground.sent(hexadecimal(number))
            await ground.receipt(f"id:{number} stat:DELIVRD err:000")
        assert await ground.conn.fetchval("SELECT count(*) FROM msg WHERE status = 2") == len(NUMBERS)

    asyncio.run(anew())
    on_ground(database, main, **advice)
    assert told(database) == "none: every receipt found its message\n"


def test_ids_in_the_tlv(database: str) -> None:
    unmatched(database, hexadecimal, str, in_tlv=True)
    output = told(database)
    assert applied(output.splitlines()[-1]) == {"response_id_form": "hex", "tlv_id_form": "dec"}
    assert "receipt, TLV" in output


def test_receipts_of_somebody_else(database: str) -> None:
    async def main(ground: Ground) -> None:
        await ground.sent("1")
        for n in range(3):
            await ground.receipt(f"id:{n + 50} stat:DELIVRD err:000", source="+4479460000")
        await ground.passes(3)

    on_ground(database, main)
    assert "none is about a number that this carrier got a message for" in told(database)


def test_ids_that_have_nothing_in_common(database: str) -> None:
    async def main(ground: Ground) -> None:
        await ground.sent("1")
        await ground.receipt("id:zzz stat:DELIVRD err:000")
        await ground.passes(3)

    on_ground(database, main)
    assert "no form makes their ids those of the messages" in told(database)


def test_only_the_carrier_that_is_asked_for(database: str) -> None:
    unmatched(database, hexadecimal, str)
    assert told(database, "--carrier", "carrier") == told(database)
    assert told(database, "--carrier", "other") == "none: every receipt found its message\n"


def test_a_terminal_is_not_driven_by_an_id(database: str) -> None:
    async def main(ground: Ground) -> None:
        await ground.sent("\x1b[2J1")
        await ground.receipt("id:\x1b[31mred stat:DELIVRD err:000")
        await ground.passes(3)

    on_ground(database, main)
    output = told(database)
    assert "\x1b" not in output
    assert r"\x1b[31mred" in output


def test_it_changes_nothing(database: str) -> None:
    unmatched(database, hexadecimal, str)
    told(database)

    async def look() -> tuple[int, str]:
        conn = await asyncpg.connect(database)
        try:
            count = await conn.fetchval("SELECT count(*) FROM parked")
            return count, await conn.fetchval("SELECT dialect::text FROM carrier")
        finally:
            await conn.close()

    assert asyncio.run(look()) == (len(NUMBERS), "{}")
