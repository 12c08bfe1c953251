"""Receipts in any order, number and mood: the first final word counts, is told once, and all are kept."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

import asyncpg
from rig.installation import installation
from rig.trial import fetchval, sizes, trial, until

STATUS = {"DELIVRD": 2, "UNDELIV": 3, "REJECTD": 3, "EXPIRED": 3}
CODE = {"DELIVRD": 0, "UNDELIV": 306, "REJECTD": 305, "EXPIRED": 701}


@dataclass(frozen=True)
class Size:
    count: int
    per_s: float


@sizes(Size(60, 400), Size(4000, 800), 45)
def test_the_first_final_word_counts(size: Size, folder: Path, database: str) -> None:
    """Over one bind, so that the order in which they are sent is that in which they come."""

    async def main() -> None:
        behaviour = {"hold_receipts": True, "chaos": True}
        async with installation(folder, database, binds=1, window=100, smsc=behaviour) as it:
            client = await it.client(senders=8)
            await client.ask("begin", count=size.count, per_s=size.per_s)
            await client.ask("end", at_once=False)
            await until(it.database, "SELECT count(*) FROM ref", size.count)
            await it.smsc.ask("release_receipts")
            await it.sink.wait("final", size.count)
            made = len([line for line in it.smsc.lines() if line["k"] == "receipt"])
            await it.smsc.wait("rok", made)
            await it.settled()
            await it.verified()
            assert await fetchval(it.database, "SELECT count(*) FROM receipt") == made
            assert await fetchval(it.database, "SELECT count(*) FROM parked") == 0
            lines = it.smsc.lines()
            assert await _ends(it.database) == _expected(lines)
            _told_as_often_as_it_changed(it.sink.lines())

    trial(main(), 200)


def _expected(lines: list[dict]) -> dict[str, tuple[int, int]]:
    """By number: what the first final word says (UNKNOWN is none: a later one replaces it)."""
    receipts = {line["rid"]: line for line in lines if line["k"] == "receipt"}
    found: dict[str, tuple[int, int]] = {}
    for line in lines:
        if line["k"] == "sent":
            receipt = receipts[line["rid"]]
            if receipt["stat"] in STATUS:
                found.setdefault(receipt["to"], (STATUS[receipt["stat"]], CODE[receipt["stat"]]))
    return found


async def _ends(dsn: str) -> dict[str, tuple[int, int]]:
    conn = await asyncpg.connect(dsn)
    try:
        rows = await conn.fetch("SELECT recipient, status, error_code FROM msg")
    finally:
        await conn.close()
    return {row["recipient"].lstrip("+"): (row["status"], row["error_code"]) for row in rows}


def _told_as_often_as_it_changed(lines: list[dict]) -> None:
    told: dict[str, Counter[int]] = defaultdict(Counter)
    for line in lines:
        if line["k"] == "hook":
            told[line["msgId"]][line["n"]] += 1
    assert all(set(counts.values()) == {1} for counts in told.values())
