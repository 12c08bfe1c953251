"""A limit over two real API processes, in real time (T47): any 10 s at 1.5 times the limit are within 5 % of it."""

from __future__ import annotations

import time
from bisect import bisect_left
from pathlib import Path

import asyncpg
import pytest
from rig.installation import installation
from rig.trial import trial

RATE = 200
WINDOW_S = 10.0


@pytest.mark.fault
@pytest.mark.timeout(240)
@pytest.mark.parametrize("subject", ["account", "plan"])
def test_ten_seconds_are_within_five_percent(subject: str, folder: Path, database: str) -> None:
    async def main() -> None:
        async with installation(folder, database, processes={"api": 2}) as it:
            conn = await asyncpg.connect(it.database)
            await conn.execute(f"UPDATE {subject} SET rate_per_s = $1", RATE)
            await conn.close()
            # The processes poll for it: from the first refusal on, it is in force.
            client = await it.client(senders=16)
            await client.ask("begin", per_s=RATE * 1.5)
            await client.wait("refused", 1)
            before = time.monotonic()
            await client.wait("refused", round(RATE * 0.5 * 22))
            await client.ask("end")
            answers = [line for line in client.lines() if line["t"] >= before]
            assert {line["answer"] for line in answers} == {202, 429}
            assert all(line["retryAfter"] for line in answers if line["answer"] == 429)
            passed = sorted(line["t"] for line in answers if line["answer"] == 202)
            offered = sorted(line["t"] for line in answers)
            shares = []
            begin = before
            while begin + WINDOW_S <= offered[-1]:
                count, asked = (
                    bisect_left(times, begin + WINDOW_S) - bisect_left(times, begin) for times in (passed, offered)
                )
                assert asked >= RATE * WINDOW_S * 1.4, "the sender was too slow to tell"
                shares.append(count / (RATE * WINDOW_S))
                begin += 0.1
            print(f"{subject}: {len(shares)} windows, {min(shares):.4f} to {max(shares):.4f} of the limit")
            assert len(shares) > 50
            assert 0.95 <= min(shares) <= max(shares) <= 1.05

    trial(main(), 120)
