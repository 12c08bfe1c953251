"""T36: one tenant's receiver never answers and thousands of events wait for it; nine others do not notice."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest
from rig.installation import Installation, installation
from rig.recording import Recording
from rig.trial import fetchval, trial, until

from trunkline.domain.ids import MsgIds
from trunkline.runtime import clock
from trunkline.webhooks.sign import new_secret

QUEUED = 50_000
OTHERS = 9
SECONDS = 12
PER_S = 20  # of each of the others
CAP = 32  # callback_origin_concurrency


@dataclass
class Events:
    """Events of the nine, put in as fast as they are due; when each was."""

    conn: asyncpg.Connection
    url: str
    ids: MsgIds
    at: dict[str, float]

    async def put(self, plan: int) -> None:
        msg_id = self.ids.new(clock.wall_ms())
        async with self.conn.transaction():
            await _message(self.conn, plan, msg_id)
            await self.conn.execute(
                "INSERT INTO hook_queue (plan_id, origin, due_at, msg_id, n, configured, url)"
                " VALUES ($1, $2, trunkline_now(), $3, 2, false, $2 || '/dlr')",
                plan, self.url, msg_id,
            )  # fmt: skip
            await self.conn.execute("SELECT pg_notify('hooks', '')")
            self.at[f"{msg_id}-2"] = clock.monotonic_s()

    async def for_a_while(self, plans: list[int]) -> list[str]:
        """Puts in `PER_S` events a second of each plan; their webhook-ids."""
        before = len(self.at)
        began = clock.monotonic_s()
        for number in count():
            due = began + number / (PER_S * len(plans))
            if due > began + SECONDS:
                return list(self.at)[before:]
            if (wait_s := due - clock.monotonic_s()) > 0:
                await clock.sleep(wait_s)
            await self.put(plans[number % len(plans)])
        raise AssertionError


async def _message(conn: asyncpg.Connection, plan: int, msg_id: UUID) -> None:
    await conn.execute(
        "INSERT INTO msg (plan_id, msg_id, account_id, sender, recipient, body, encoding, parts, expires_at, status,"
        " final_at) VALUES ($1, $2, 1, '12345', '+15550001111', 'hi', 0, 1, now(), 2, now())",
        plan, msg_id,
    )  # fmt: skip


async def _tenants(it: Installation, conn: asyncpg.Connection) -> list[int]:
    """Ten more plans, once the process that posts knows them."""
    after = len(it.serve.events)
    rows = await conn.fetch(
        "INSERT INTO plan (public_id, account_id, name)"
        " SELECT lpad(to_hex(n), 24, 'a'), 1, 'p' || n FROM generate_series(1, $1::int) AS n RETURNING plan_id",
        OTHERS + 1,
    )
    await it.serve.event("provisioning.loaded", after=after, process="webhooks")
    return [row[0] for row in rows]


async def _fill(conn: asyncpg.Connection, plan: int, url: str, ids: MsgIds) -> None:
    """Queues tens of thousands of events for the tarpit, each with a URL of its own."""
    first = str(ids.new(clock.wall_ms()))[:24]
    async with conn.transaction():
        await conn.execute(
            "INSERT INTO hook_queue (plan_id, origin, due_at, msg_id, n, configured, url)"
            " SELECT $1, $2, trunkline_now(), ($3::text || lpad(to_hex(n), 12, '0'))::uuid, 2, false, $2 || '/' || n"
            " FROM generate_series(1, $4::int) AS n",
            plan, url, first, QUEUED,
        )  # fmt: skip
        await conn.execute(
            "INSERT INTO msg (plan_id, msg_id, account_id, sender, recipient, body, encoding, parts, expires_at,"
            " status, final_at) SELECT plan_id, msg_id, 1, '1', '+15550001111', 'hi', 0, 1, now(), 2, now()"
            " FROM hook_queue WHERE plan_id = $1",
            plan,
        )
        await conn.execute("SELECT pg_notify('hooks', '')")


def _p99(events: Events, told: dict[str, float], ids: list[str]) -> float:
    took = sorted(told[one] - events.at[one] for one in ids)
    return took[len(took) * 99 // 100]


@pytest.mark.fault
@pytest.mark.timeout(300)
def test_nine_do_not_notice_one_that_never_answers(folder: Path, database: str) -> None:
    async def main() -> None:
        tarpit = await Recording.started("sink", folder / "tarpit.jsonl", secret=new_secret(), pattern=[-1])
        try:
            async with installation(folder, database, processes={"webhooks": 1}) as it:
                conn = await asyncpg.connect(it.database)
                stuck, *others = await _tenants(it, conn)
                url = f"http://127.0.0.1:{it.sink.told['port']}"
                events = Events(conn, url, MsgIds(), {})
                await events.for_a_while(others)  # warm
                alone = await events.for_a_while(others)
                await _fill(conn, stuck, f"http://127.0.0.1:{tarpit.told['port']}", events.ids)
                await tarpit.wait("hook", CAP)
                beside = await events.for_a_while(others)
                await it.sink.wait("hook", len(events.at))
                told = {line["id"]: line["t"] for line in it.sink.lines() if line["k"] == "hook"}
                assert len(told) == len(events.at)
                first, second = _p99(events, told, alone), _p99(events, told, beside)
                print(f"others' p99 {first * 1000:.1f} ms alone, {second * 1000:.1f} beside {QUEUED} for a tarpit")
                # The cap holds though every event has a URL of its own. Ten failures in a row open the breaker; by then
                # as many as had a place wait behind them in the client.
                await it.serve.event("hook.breaker_opened", after=0)
                starts = [line["t"] for line in tarpit.lines() if line["k"] == "hook"]
                assert all(later - first >= 14 for first, later in zip(starts, starts[CAP:], strict=False))
                assert len(starts) <= 2 * CAP + 3
                await until(it.database, f"SELECT count(*) FROM hook_queue WHERE plan_id = {stuck}", QUEUED)
                assert await fetchval(it.database, "SELECT count(*) FROM hook_dead") == 0
                await conn.close()
                assert second <= 2 * first
        finally:
            await tarpit.stop()

    trial(main(), 240)
