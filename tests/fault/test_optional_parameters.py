"""A carrier that allows no vendor TLVs: what it refused for them goes once more without, and is not lost."""

from __future__ import annotations

from pathlib import Path

from rig.installation import installation
from rig.trial import fetchval, trial


def test_sent_once_more_without(folder: Path, database: str) -> None:
    async def main() -> None:
        dialect = {"submit_tlvs": {"0x1400": "3100"}}
        async with installation(folder, database, dialect=dialect, smsc={"refuse_tlvs": True}) as it:
            client = await it.client()
            await client.ask("send", count=20)
            await it.sink.wait("final", 20)
            await it.settled()
            await it.verified()
            assert await fetchval(it.database, "SELECT count(*) FROM msg WHERE status = 2") == 20
            answers = [line["answer"] for line in it.smsc.lines() if line["k"] == "submit"]
            assert (answers.count(0xC1), answers.count(0)) == (20, 20)

    trial(main())
