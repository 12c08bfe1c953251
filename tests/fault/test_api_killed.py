"""An API process is killed under load: what it answered 202 is there, and another one answers at once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from rig.installation import installation
from rig.trial import sizes, trial


@dataclass(frozen=True)
class Size:
    kills: int
    senders: int
    # Answers of 202 between two kills. At this rate two seconds and more: a child that is killed sooner after it was
    # ready comes back later each time (`Pace.sturdy_s`).
    between: int
    per_s: float
    back: timedelta


@pytest.mark.parametrize("prepaid", [False, True], ids=["", "prepaid"])
@sizes(Size(1, 4, 60, 150, timedelta(seconds=30)), Size(10, 16, 1300, 600, timedelta(seconds=3)), 60)
def test_nothing_accepted_is_lost(size: Size, prepaid: bool, folder: Path, database: str) -> None:
    async def main() -> None:
        async with installation(folder, database, processes={"api": 2}, prepaid=prepaid) as it:
            client = await it.client(senders=size.senders)
            await client.ask("begin", per_s=size.per_s)
            for number in range(1, size.kills + 1):
                await client.wait("accepted", size.between * number)
                after = len(it.serve.events)
                child = f"api-{1 + number % 2}"
                await it.kill(child)
                died = await it.serve.event("child.died", after=after, child=child)
                ready = await it.serve.event("child.ready", after=after, child=child)
                assert datetime.fromisoformat(ready["at"]) - datetime.fromisoformat(died["at"]) <= size.back
            await client.wait("accepted", size.between * (size.kills + 1))
            await client.ask("end")
            await it.settled()
            await it.verified()
            answers = {line["answer"] for line in client.lines()}
            assert answers <= {202, None}

    trial(main(), 300)
