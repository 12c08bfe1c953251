"""A flood of receipts that nobody's message belongs to: they are answered OK and kept, and others do not notice."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles

from rig.installation import Installation, installation
from rig.recording import Recording
from rig.trial import fetchval, sizes, trial, until
from rig.verify import Expected, verify

FOREIGN = "15551112222"  # a number that is in nobody's message


@dataclass(frozen=True)
class Size:
    messages: int
    per_s: float
    unknown: int
    foreign: int
    slower: float | None  # than without the flood, p99 of a send


@sizes(Size(60, 200, 1500, 60, None), Size(3000, 100, 100_000, 10_000, 2.0), 90)
def test_they_move_nothing(size: Size, folder: Path, database: str) -> None:
    async def main() -> None:
        async with installation(folder, database, window=100, smsc={"hold_receipts": True}) as it:
            client = await it.client(senders=4)
            alone = await _sent(client, size)
            flood = asyncio.create_task(it.smsc.ask("bogus", count=size.unknown))
            beside = await _sent(client, size)
            await flood
            await it.smsc.wait("rok", size.unknown)
            await until(database, "SELECT count(*) FROM ref", 2 * size.messages)
            await _ids_of_others(it, size)
            assert await fetchval(database, "SELECT count(*) FROM parked") == size.unknown + size.foreign
            assert await fetchval(database, "SELECT count(*) FROM msg WHERE status IS NOT NULL") == 0
            await it.smsc.ask("release_receipts")
            await it.sink.wait("final", 2 * size.messages)
            await it.settled(foreign=size.foreign)
            findings = verify(await it.ledgers(), Expected())
            broken = {name: finding for name, finding in findings.items() if finding.breaches}
            assert set(broken) == {"I7"}, broken
            assert len(broken["I7"].breaches) <= 2 * size.foreign  # the ids of others, by which nothing moved
            if size.slower is not None:
                assert beside < size.slower * alone, (alone, beside)

    trial(main(), 400)


async def _sent(client: Recording, size: Size) -> float:
    """Sends, and returns the 99th percentile of the answers' times."""
    before = len(client.lines())
    await client.ask("begin", count=size.messages, per_s=size.per_s)
    await client.ask("end", at_once=False)
    return quantiles([line["s"] for line in client.lines()[before:]], n=100)[98]


async def _ids_of_others(it: Installation, size: Size) -> None:
    """Ids that were given out, for a number that they were not given out for."""
    answered = (await it.smsc.ask("counts"))["rok"]
    rounds, rest = divmod(size.foreign, 1000)
    for count in [1000] * rounds + [rest] * (rest > 0):
        await it.smsc.ask("bogus", count=count, to=FOREIGN, first=10_000_001)
        answered += count
        await it.smsc.wait("rok", answered)
