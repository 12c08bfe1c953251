"""T34: receivers fail, the process that posts is killed, the database restarts: every event arrives, said the same."""

from __future__ import annotations

import os
import signal
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import pytest
from rig.installation import Installation, installation
from rig.trial import fetchval, sizes, trial

from trunkline.runtime import clock

# Three of ten fail, in every way there is.
SHORT = [200, 500, 200, 200, 0, 204, 200, 503, 299, 200]
# Silence is rare: each takes a place for 15 s, and places full of it are a receiver that is down.
FULL = [*([200, 500, 202, 200, 0, 204, 200, 404, 299, 200] * 200), -1]


@dataclass(frozen=True)
class Size:
    count: int
    kills: int
    restarts: int
    per_s: float
    pattern: tuple[int, ...]
    at_once: int  # callback_origin_concurrency
    unstored: int  # answers that may be gathered for the next write

    @property
    def in_flight(self) -> int:
        """What may be told again after a kill: posts under way, those behind them, answers that are not stored."""
        return 2 * self.at_once + self.unstored


@sizes(Size(300, 2, 0, 150, tuple(SHORT), 4, 16), Size(20_000, 10, 2, 1500, tuple(FULL), 32, 256), 90)
def test_no_webhook_is_lost_or_said_otherwise(size: Size, folder: Path, database: str) -> None:
    if size.restarts and os.environ.get("DATABASE_URL"):
        pytest.skip("restarts an embedded server of its own")

    async def main() -> None:
        own = None if size.restarts else database
        around = {"TRUNKLINE_CALLBACK_ORIGIN_CONCURRENCY": str(size.at_once)}
        async with installation(folder, own, binds=4, window=100, processes={"webhooks": 1}, environment=around) as it:
            await it.sink.ask("set", pattern=list(size.pattern))
            client = await it.client(senders=8)
            await client.ask("begin", count=size.count, per_s=size.per_s)
            faults = [_kill] * size.kills
            for number in range(size.restarts):
                faults.insert((number + 1) * size.kills // (size.restarts + 1) + number, _restart)
            for number, fault in enumerate(faults, start=1):
                await it.sink.wait("final", size.count * number // (len(faults) + 2), within_s=120)
                await fault(it)
            await client.ask("end", at_once=False)
            await _told(it)
            await it.settled()
            # A restart of the database lets lanes go: what was answered by then and not stored may go out once more.
            crashes = size.kills + size.restarts
            await it.verified(hook_crashes=crashes, hooks_in_flight=size.in_flight)
            _check_repeats(it, crashes * size.in_flight)
            assert await fetchval(it.database, "SELECT count(*) FROM msg WHERE status IS NULL") == 0

    trial(main(), 300)


async def _kill(it: Installation) -> None:
    await it.kill("webhooks-1")


async def _restart(it: Installation) -> None:
    after = len(it.serve.events)
    os.kill(it.postmaster(), signal.SIGINT)
    await it.serve.event("postgres.started", after=after)


async def _told(it: Installation) -> None:
    """Returns once every message is final and every event told, with the clock put on to where the next one is due."""
    deadline = clock.monotonic_s() + 120
    conn = await asyncpg.connect(it.database)
    try:
        while await conn.fetchval(
            "SELECT EXISTS (SELECT FROM hook_queue) OR EXISTS (SELECT FROM msg WHERE status IS NULL)"
        ):
            assert clock.monotonic_s() < deadline
            if not await conn.fetchval(
                "SELECT EXISTS (SELECT FROM hook_queue WHERE due_at <= trunkline_now())"
                " OR EXISTS (SELECT FROM msg WHERE status IS NULL)"
            ):
                await conn.execute(
                    "UPDATE clock SET shift = shift + coalesce((SELECT max(due_at) - trunkline_now() + interval '1 s'"
                    " FROM hook_queue WHERE due_at > trunkline_now()), '0')"
                )
            await clock.sleep(0.1)
    finally:
        await conn.close()


def _check_repeats(it: Installation, after_crashes: int) -> None:
    told = [line for line in it.sink.lines() if line["k"] == "hook"]
    events = Counter(line["id"] for line in told)
    failures = sum(line["answer"] is None or line["answer"] >= 300 for line in told)
    repeats = sum(events.values()) - len(events)
    assert failures >= len(told) // 4
    assert repeats <= failures + after_crashes
