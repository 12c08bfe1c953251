"""A dispatcher is killed with its windows full: what was written is in doubt, the rest goes on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from rig.installation import installation
from rig.trial import fetchval, sizes, trial, until

BINDS, WINDOW = 4, 10


@dataclass(frozen=True)
class Size:
    """Rounds of so many messages; in each the dispatcher is killed at a submit in the middle. In full size it has lived
    for more than two seconds by then, so that the supervisor brings it back after one."""

    kills: int
    count: int
    killed_at: int
    per_s: float


@pytest.mark.parametrize("at_least_once", [False, True], ids=["at_most_once", "at_least_once"])
def test_windows_full(at_least_once: bool, folder: Path, database: str) -> None:
    async def main() -> None:
        async with installation(
            folder, database, at_least_once=at_least_once, binds=BINDS, window=WINDOW,
            smsc={"hold_answers": True, "stat": None}, prepaid=True,
        ) as it:  # fmt: skip
            client = await it.client()
            await client.ask("send", count=60)
            await it.smsc.wait("submit", 40)
            await it.kill("dispatcher-1")
            await it.smsc.ask("set", hold_answers=False, stat="DELIVRD")
            await it.sink.wait("final", 60)
            await it.settled()
            found = await it.verified(
                at_least_once=at_least_once, window=WINDOW, links=BINDS, crashes=1, responses_lost=True
            )
            doubtful = await fetchval(it.database, "SELECT count(*) FROM msg WHERE error_code = 901 AND status = 4")
            assert (doubtful, found["I5"].counts["doubles"]) == ((0, 40) if at_least_once else (40, 0))

    trial(main())


@sizes(Size(1, 400, 200, 400), Size(10, 3000, 2500, 1000), 90)
@pytest.mark.parametrize("at_least_once", [False, True], ids=["at_most_once", "at_least_once"])
def test_under_load(size: Size, at_least_once: bool, folder: Path, database: str) -> None:
    async def main() -> None:
        async with installation(
            folder, database, at_least_once=at_least_once, binds=BINDS, window=WINDOW,
            resolve_after_s=20 if size.kills > 1 else 4, smsc={"answer_s": 0.02},
        ) as it:  # fmt: skip
            client = await it.client(senders=8)
            for _ in range(size.kills):
                submits = (await it.smsc.ask("counts")).get("submit", 0)
                await client.ask("begin", count=size.count, per_s=size.per_s)
                await it.smsc.wait("submit", submits + size.killed_at)
                await it.kill("dispatcher-1")
                await client.ask("end", at_once=False)
                await until(it.database, "SELECT count(*) FROM mt_queue", 0)
            await it.settled()
            await it.verified(
                at_least_once=at_least_once, window=WINDOW, links=BINDS, crashes=size.kills, responses_lost=True
            )
            doubtful = await fetchval(it.database, "SELECT count(*) FROM msg WHERE error_code = 901 AND status = 4")
            assert doubtful <= 2 * WINDOW * BINDS * size.kills
            if at_least_once:
                assert doubtful == 0

    trial(main(), 400)
