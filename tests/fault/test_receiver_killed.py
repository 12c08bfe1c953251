"""The process that takes receipts is killed in the middle of them: what it answered is stored, the rest comes again."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rig.installation import installation
from rig.trial import fetchval, sizes, trial, until


@dataclass(frozen=True)
class Size:
    count: int
    kills: int
    per_s: float


@sizes(Size(400, 1, 800), Size(20_000, 5, 2000), 60)
def test_receipts_answered_are_stored(size: Size, folder: Path, database: str) -> None:
    async def main() -> None:
        async with installation(folder, database, binds=4, window=100, smsc={"hold_receipts": True}) as it:
            client = await it.client(senders=8)
            await client.ask("begin", count=size.count, per_s=size.per_s)
            await client.ask("end", at_once=False)
            await until(it.database, "SELECT count(*) FROM ref", size.count)
            await it.smsc.ask("release_receipts")
            for number in range(1, size.kills + 1):
                await it.smsc.wait("rok", size.count * number // (size.kills + 2))
                await it.kill("dispatcher-1")
            await it.sink.wait("final", size.count)
            await it.settled()
            await it.verified(responses_lost=True)
            assert await fetchval(it.database, "SELECT count(*) FROM msg WHERE status = 2") == size.count

    trial(main(), 200)
