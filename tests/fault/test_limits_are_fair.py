"""One tenant sends at ten times its rate (T47): it is refused, and nine who send at half of theirs do not notice."""

from __future__ import annotations

import time
from bisect import bisect_left
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from rig.installation import Installation, installation
from rig.trial import trial

from trunkline.domain import token
from trunkline.store import provisioning

RATE = 20
OTHERS = 9
SECONDS = 15


async def tenants(it: Installation) -> list[tuple[str, str]]:
    """Ten accounts with a plan each; the token and the plan of each, once both API processes know them."""
    after = len(it.serve.events)
    conn = await asyncpg.connect(it.database)
    found = []
    async with conn.transaction():
        for number in range(OTHERS + 1):
            public_id = f"{number:x}" * 24
            account = await conn.fetchval(
                "INSERT INTO account (public_id, name, rate_per_s) VALUES ($1, $1, $2) RETURNING account_id",
                public_id.replace("1", "e").replace("2", "d"),
                RATE,
            )
            plan = f"{number + 100:024x}"
            plan_id = await conn.fetchval(
                "INSERT INTO plan (public_id, account_id, name, rate_per_s) VALUES ($1, $2, 'p', 0) RETURNING plan_id",
                plan,
                account,
            )
            await conn.execute("INSERT INTO sender (plan_id, address) VALUES ($1, '12345')", plan_id)
            issued = token.issue()
            await provisioning.insert_token(
                conn, account_id=account, label="test", hash=issued.hash, scopes=frozenset({"messages:send"}),
                plan_ids=None, networks=None, expires_after_s=None,
            )  # fmt: skip
            found.append((issued.token, plan))
    await conn.close()
    for _ in range(2):
        event = await it.serve.event("provisioning.loaded", after=after, process="api")
        after = it.serve.events.index(event, after) + 1
    return found


def p99(lines: list[dict[str, Any]]) -> float:
    took = sorted(line["s"] for line in lines)
    return float(took[len(took) * 99 // 100])


@pytest.mark.fault
@pytest.mark.timeout(240)
def test_who_sends_too_fast_is_refused_and_others_do_not_notice(folder: Path, database: str) -> None:
    async def main() -> None:
        async with installation(folder, database, processes={"api": 2}) as it:
            greedy, *modest = await tenants(it)
            others = await it.client(senders=16, accounts=modest)
            pace = RATE / 2 * OTHERS
            await others.ask("begin", per_s=pace)
            await others.wait("accepted", round(pace * 3))  # warm
            alone_from = time.monotonic()
            await others.wait("accepted", round(pace * (3 + SECONDS)))
            one = await it.client(senders=16, accounts=[greedy])
            beside_from = time.monotonic()
            await one.ask("begin", per_s=RATE * 10)
            await others.wait("accepted", round(pace * (3 + 2 * SECONDS)))
            until = time.monotonic()
            await one.ask("end")
            await others.ask("end")

            told = others.lines()
            assert {line["answer"] for line in told} == {202}
            alone = p99([line for line in told if alone_from <= line["t"] < beside_from])
            beside = p99([line for line in told if beside_from <= line["t"] < until])
            refused = [line for line in one.lines() if line["answer"] == 429]
            assert {line["answer"] for line in one.lines()} == {202, 429}
            assert all(line["retryAfter"] for line in refused)
            passed = [line["t"] for line in one.lines() if line["answer"] == 202]
            # The first tenth of a second empties a bucket that was full.
            share = (bisect_left(passed, until - 0.5) - bisect_left(passed, until - 10.5)) / (10 * RATE)
            print(f"others' p99 {alone * 1000:.1f} and {beside * 1000:.1f} ms; {len(refused)} refused; {share:.3f}")
            assert 0.95 <= share <= 1.05
            assert beside <= 1.5 * alone

    trial(main(), 200)
