"""Messages that wait until their validity is over: FAILED, with what kept them, and never submitted afterwards."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

from rig.installation import installation
from rig.trial import fetchval, sizes, trial, until

from trunkline.runtime.clock import wall_ms

VALIDITY_S, DAY_S = 259_200, 86_400
SET_CLOCK = "UPDATE clock SET shift = $1 * interval '1 second'"
ENDED = "SELECT count(*) FROM msg WHERE status = 3 AND error_code = {}"


@dataclass(frozen=True)
class Size:
    count: int
    timed: bool


@sizes(Size(20, False), Size(3000, True), 30)
def test_carrier_down(size: Size, folder: Path, database: str) -> None:
    """A message for a later time does not end before its time has come."""
    due_at = dt.datetime.fromtimestamp(wall_ms() / 1000, dt.UTC) + dt.timedelta(days=10)

    async def main() -> None:
        async with installation(folder, database) as it:
            seen = len(it.serve.events)
            await it.smsc.ask("listen", wanted=False)
            await it.serve.event("link.closed", after=seen)
            client = await it.client()
            later = await it.client(senders=1, fields={"sendAt": due_at.isoformat()})
            await client.ask("send", count=size.count)
            await later.ask("send", count=1)
            await fetchval(it.database, SET_CLOCK, VALIDITY_S - 60)
            await until(it.database, "SELECT count(*) FROM msg WHERE status IS NULL", size.count + 1)
            await fetchval(it.database, SET_CLOCK, VALIDITY_S + 1)
            moved_at = await fetchval(it.database, "SELECT trunkline_now()")
            await until(it.database, ENDED.format(461), size.count)
            if size.timed:
                ended_at = await fetchval(it.database, "SELECT max(final_at) FROM msg")
                assert ended_at - moved_at <= dt.timedelta(seconds=5)
            await it.smsc.ask("listen", wanted=True)
            await it.smsc.wait("bind", 4)
            assert await fetchval(it.database, "SELECT count(*) FROM mt_later") == 1
            await fetchval(it.database, SET_CLOCK, 10 * DAY_S + 60)
            await it.sink.wait("final", size.count + 1)
            (submit,) = [line for line in it.smsc.lines() if line["k"] == "submit"]
            assert submit["ref"] == "r1000000"
            assert await fetchval(it.database, "SELECT status FROM msg WHERE body LIKE 'r1000000%'") == 2

    trial(main())


def test_its_turn_did_not_come(folder: Path, database: str) -> None:
    """The window is full of another one. That the carrier only throttled is another reason."""

    async def main() -> None:
        async with installation(folder, database, binds=1, window=1, smsc={"hold_answers": True, "stat": None}) as it:
            client = await it.client(senders=1)
            await client.ask("send", count=3)
            await it.smsc.wait("submit", 1)
            await fetchval(it.database, SET_CLOCK, VALIDITY_S + 1)
            await until(it.database, ENDED.format(702), 2)
            await it.smsc.ask("set", status=0x58)
            await it.smsc.ask("release_answers")
            await client.ask("send", count=1)
            await it.smsc.wait("submit", 2)
            await until(it.database, "SELECT count(*) FROM attempt WHERE outcome = 'throttled'", 1)
            await fetchval(it.database, SET_CLOCK, 2 * VALIDITY_S + 2)
            await until(it.database, ENDED.format(459), 1)
            await it.smsc.ask("set", status=0)
            submits = (await it.smsc.ask("counts"))["submit"]  # the throttled one may have been tried again
            await client.ask("send", count=1)
            await it.smsc.wait("submit", submits + 1)
            lines = [line["ref"] for line in it.smsc.lines() if line["k"] == "submit"]
            assert lines[0] == "r0000000"
            assert set(lines[1:]) == {"r0000003", "r0000004"}

    trial(main())
