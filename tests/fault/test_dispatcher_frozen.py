"""A dispatcher is frozen past its lease and wakes up: it decides nothing more, and what it heard is stored."""

from __future__ import annotations

import signal
from pathlib import Path

from rig.installation import installation
from rig.trial import fetchval, trial, until


def test_zombie(folder: Path, database: str) -> None:
    async def main() -> None:
        async with installation(
            folder, database, processes={"dispatcher": 2}, resolve_after_s=25, smsc={"hold_answers": True, "stat": None}
        ) as it:
            holder_pid = "SELECT d.pid FROM dispatcher d JOIN carrier_lease c USING (epoch)"
            pid = await fetchval(it.database, holder_pid)
            zombie = next(c for c in ("dispatcher-1", "dispatcher-2") if it.serve.pid(c) == pid)
            client = await it.client()
            await client.ask("send", count=35)
            await it.smsc.wait("submit", 20)
            # Its two links are full; the rest waits, some of it claimed.
            after = len(it.serve.events)
            it.signal(zombie, signal.SIGSTOP)
            await it.serve.event("lease.ended", after=after, pid=pid)
            await it.smsc.wait("bind", 4)
            await it.smsc.ask("set", hold_answers=False, stat="DELIVRD")
            await client.ask("send", count=30)
            await it.sink.wait("final", 40)
            frozen_count = len([line for line in it.smsc.lines() if line["k"] == "submit" and line["link"] <= 2])
            await it.smsc.ask("release_answers")  # into the buffers of one who does not read
            it.signal(zombie, signal.SIGCONT)
            await it.serve.event("lease.lost", after=after)
            # The answers that it holds the only copy of are stored: nothing is left in doubt.
            await until(it.database, "SELECT count(*) FROM ref", 65)
            await until(it.database, "SELECT count(*) FROM doubt", 0)
            written = [line for line in it.smsc.lines() if line["k"] == "submit"]
            assert len([line for line in written if line["link"] <= 2]) == frozen_count
            assert await fetchval(it.database, "SELECT count(*) FROM msg WHERE status IS NULL") == 20
            # No receipt was made for those 20; what they wait for is not this test's.
            assert len({line["ref"] for line in written}) == len(written) == 65

    trial(main(), 110)


def test_zombie_with_parts_to_write(folder: Path, database: str) -> None:
    """It had claimed a message of more parts than its windows; meanwhile another one sends them all: it writes none."""

    async def main() -> None:
        async with installation(
            folder, database, processes={"dispatcher": 2}, at_least_once=True, resolve_after_s=1, binds=2, window=1,
            smsc={"hold_answers": True, "stat": None},
        ) as it:  # fmt: skip
            pid = await fetchval(it.database, "SELECT d.pid FROM dispatcher d JOIN carrier_lease c USING (epoch)")
            zombie = next(c for c in ("dispatcher-1", "dispatcher-2") if it.serve.pid(c) == pid)
            client = await it.client(chars=700)
            await client.ask("send", count=1)
            await it.smsc.wait("submit", 2)
            after = len(it.serve.events)
            it.signal(zombie, signal.SIGSTOP)
            await it.serve.event("lease.ended", after=after, pid=pid)
            await it.smsc.wait("bind", 4)
            await it.smsc.ask("set", stat="DELIVRD")
            await it.smsc.wait("submit", 4)
            await it.smsc.ask("release_answers")
            await it.sink.wait("final", 1)
            it.signal(zombie, signal.SIGCONT)
            await it.serve.event("lease.lost", after=after)
            await it.settled()
            await it.verified(at_least_once=True, window=1, links=2, crashes=1, responses_lost=True)
            written = [(line["link"] <= 2, line["part"]) for line in it.smsc.lines() if line["k"] == "submit"]
            assert sorted(written) == [(False, 1), (False, 2), (False, 3), (False, 4), (False, 5), (True, 1), (True, 2)]

    trial(main(), 110)
