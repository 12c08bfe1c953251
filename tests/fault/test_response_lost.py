"""The carrier takes a part and its answer is lost, or comes after the timer: the link stays, nothing is sent again."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rig.installation import installation
from rig.trial import fetchval, sizes, trial

TIMERS = {"response_s": 1.0}


@dataclass(frozen=True)
class Size:
    """So many messages, and the response timer."""

    count: int
    per_s: float
    response_s: float
    resolve_after_s: int


@sizes(Size(40, 1000, 1.0, 20), Size(4000, 100, 5.0, 20), 60)
def test_lost(size: Size, folder: Path, database: str) -> None:
    """Every fifth answer is lost: its receipt tells that the carrier has it, and the window is free again."""

    async def main() -> None:
        async with installation(
            folder, database, resolve_after_s=size.resolve_after_s, window=80 if size.count > 100 else 10,
            timers={"response_s": size.response_s}, smsc={"drop_every": 5, "receipt_s": 0.2}, prepaid=True,
        ) as it:  # fmt: skip
            client = await it.client()
            await client.ask("begin", count=size.count, per_s=size.per_s)
            await client.ask("end", at_once=False)
            await it.sink.wait("final", size.count)
            await it.settled()
            await it.verified(responses_lost=True)
            assert await fetchval(it.database, "SELECT count(*) FROM msg WHERE status = 2") == size.count
            assert not [line for line in it.smsc.lines() if line["k"] == "end"]

    trial(main(), 150)


@sizes(Size(25, 1000, 1.0, 1), Size(1000, 50, 5.0, 10), 60)
def test_some_lost_with_their_receipts(size: Size, folder: Path, database: str) -> None:
    """Nothing ever tells of those: UNKNOWN 902 once their time is over, and the others are delivered meanwhile."""

    async def main() -> None:
        async with installation(
            folder, database, resolve_after_s=size.resolve_after_s, window=80 if size.count > 100 else 10,
            timers={"response_s": size.response_s}, smsc={"drop_every": 5, "drop_receipts": True},
        ) as it:  # fmt: skip
            client = await it.client()
            await client.ask("begin", count=size.count, per_s=size.per_s)
            await client.ask("end", at_once=False)
            await it.sink.wait("final", size.count)
            await it.settled()
            await it.verified(responses_lost=True)
            ends = "SELECT array_agg(DISTINCT (status, error_code)::text ORDER BY (status, error_code)::text) FROM msg"
            assert await fetchval(it.database, ends) == ["(2,0)", "(4,902)"]
            unknown = await fetchval(it.database, "SELECT count(*) FROM msg WHERE status = 4")
            assert unknown == size.count // 5
            assert not [line for line in it.smsc.lines() if line["k"] == "end"]

    trial(main(), 150)


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
