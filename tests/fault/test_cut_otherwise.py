"""A carrier takes a message in another number of parts than was counted: all of it goes out, no part twice."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from rig.installation import installation
from rig.trial import fetchval, trial


@pytest.mark.parametrize("counted", [2, 5])
def test_every_part_goes_out_and_the_record_says_so(folder: Path, database: str, counted: int) -> None:
    async def main() -> None:
        async with installation(folder, database, dialect={"reference_bits": 16}) as it:
            client = await it.client(senders=1, chars=306)
            it.signal("dispatcher-1", signal.SIGSTOP)
            await client.ask("send", count=1)
            # As the carrier takes it; and then as if it had been counted for another one.
            assert await fetchval(it.database, "SELECT parts FROM msg") == 3
            await fetchval(it.database, "UPDATE msg SET parts = $1", counted)
            missing = (1 << counted) - 1
            await fetchval(it.database, "UPDATE mt_queue SET parts = $1, missing = $2", counted, missing)
            it.signal("dispatcher-1", signal.SIGCONT)
            await it.sink.wait("final", 1)
            await it.settled()
            await it.verified(links=2)
            written = [(line["part"], line["parts"]) for line in it.smsc.lines() if line["k"] == "submit"]
            assert sorted(written) == [(1, 3), (2, 3), (3, 3)]
            assert await fetchval(it.database, "SELECT (parts, status) FROM msg") == (3, 2)

    trial(main())
