"""The carrier takes a part and its answer is lost, or comes after the timer: the link stays, nothing is sent again."""

from __future__ import annotations

from pathlib import Path

from rig.installation import installation
from rig.trial import fetchval, sizes, trial

TIMERS = {"response_s": 1.0}


def test_lost(folder: Path, database: str) -> None:
    """Every fifth answer is lost: its receipt tells that the carrier has it."""

    async def main() -> None:
        async with installation(
            folder, database, resolve_after_s=20, timers=TIMERS, smsc={"drop_every": 5, "receipt_s": 0.2}, prepaid=True
        ) as it:
            client = await it.client()
            await client.ask("send", count=40)
            await it.sink.wait("final", 40)
            await it.settled()
            await it.verified(responses_lost=True)
            assert await fetchval(it.database, "SELECT count(*) FROM msg WHERE status = 2") == 40
            assert not [line for line in it.smsc.lines() if line["k"] == "end"]

    trial(main())


def test_lost_without_a_receipt(folder: Path, database: str) -> None:
    async def main() -> None:
        async with installation(
            folder, database, resolve_after_s=1, timers=TIMERS, smsc={"drop_every": 1, "stat": None}, prepaid=True
        ) as it:
            client = await it.client()
            await client.ask("send", count=25)  # more than the windows: the timer frees them
            await it.sink.wait("final", 25)
            await it.settled()
            await it.verified(responses_lost=True)
            query = "SELECT count(*) FROM msg WHERE status = 4 AND error_code = 902"
            assert await fetchval(it.database, query) == 25

    trial(main())


@sizes(15, 400, 30)
def test_late(size: int, folder: Path, database: str) -> None:
    """Answers at twice the timer are taken all the same: the messages are sent, and none is sent again."""

    async def main() -> None:
        async with installation(folder, database, resolve_after_s=20, timers=TIMERS, smsc={"answer_s": 2.0}) as it:
            client = await it.client()
            await client.ask("send", count=size)
            await it.sink.wait("final", size)
            await it.settled()
            await it.verified()
            assert await fetchval(it.database, "SELECT count(*) FROM msg WHERE status = 2 AND NOT resubmitted") == size

    trial(main())
