"""Receipts come before, with and after the response that tells their id, on other links: each finds its message.

Without upkeep, which would find after seconds what the two sides themselves missed.
"""

from __future__ import annotations

import signal
from dataclasses import dataclass
from pathlib import Path

import pytest
from rig.installation import installation
from rig.trial import fetchval, sizes, trial


@dataclass(frozen=True)
class Size:
    count: int
    per_s: float
    parked_s: float | None


# How long the 99th percentile of receipts waited for its message: from when it came to when that was settled.
PARKED_S = """
SELECT coalesce(percentile_cont(0.99) WITHIN GROUP (ORDER BY extract(epoch FROM m.final_at - r.received_at)), 0)
FROM receipt r JOIN msg m ON m.plan_id = r.plan_id AND m.msg_id = r.msg_id
"""


@sizes(Size(300, 400, None), Size(20_000, 1500, 1.0), 60)
@pytest.mark.parametrize("moved", [False, True], ids=["one", "lease_moves"])
def test_each_finds_its_message(size: Size, moved: bool, folder: Path, database: str) -> None:
    """`lease_moves`: in the middle the carrier goes to a second dispatcher, in order."""

    async def main() -> None:
        behaviour = {"receipt_s": 0.0, "receipt_spread_s": 0.05, "other_bind": True}
        async with installation(
            folder, database, processes={"dispatcher": 1 + moved}, binds=4, window=50, smsc=behaviour, upkeep=False
        ) as it:
            client = await it.client(senders=8)
            await client.ask("begin", count=size.count, per_s=size.per_s)
            if moved:
                await client.wait("accepted", size.count // 2)
                pid = await fetchval(it.database, "SELECT d.pid FROM dispatcher d JOIN carrier_lease c USING (epoch)")
                holder = next(c for c in ("dispatcher-1", "dispatcher-2") if it.serve.pid(c) == pid)
                it.signal(holder, signal.SIGTERM)
            await client.ask("end", at_once=False)
            await it.sink.wait("final", size.count)
            await it.settled()
            await it.verified()
            delivered = "SELECT count(*) FROM msg WHERE status = 2"
            assert await fetchval(it.database, delivered) == size.count
            assert await fetchval(it.database, "SELECT count(*) FROM parked") == 0
            if size.parked_s is not None:
                assert await fetchval(it.database, PARKED_S) < size.parked_s

    trial(main(), 200)


def test_long_before(folder: Path, database: str) -> None:
    """All receipts before all responses, and some with ids that nobody was given: those alone stay."""

    async def main() -> None:
        async with installation(folder, database, upkeep=False, smsc={"hold_answers": True, "other_bind": True}) as it:
            client = await it.client()
            await client.ask("send", count=20)
            await it.smsc.ask("bogus", count=5)
            await it.smsc.wait("rok", 25)
            assert await fetchval(it.database, "SELECT count(*) FROM parked") == 25
            await it.smsc.ask("release_answers")
            await it.sink.wait("final", 20)
            await it.settled()
            found = await it.verified()
            assert found["I7"].counts == {"unmatched": 5, "bogus": 5}

    trial(main())
