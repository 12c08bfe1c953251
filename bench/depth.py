"""Cost per message of every database step of the trip, with 10^4, 10^5 and 10^6 messages stored before.

    .venv/bin/python bench/depth.py

Real functions of the store, batches of 100, an embedded PostgreSQL with fsync on. Prints microseconds per message and
step (wall time, best of some rounds) and the ratio of the deepest to the shallowest.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import sys
import time
from collections import defaultdict
from collections.abc import Awaitable
from typing import Any

from trunkline.domain.ids import MsgIds
from trunkline.domain.message import RequestKey, Submission
from trunkline.domain.provisioning import AccountId, CarrierId, PlanId
from trunkline.store import hooks, leases, queue, receipts, settling
from trunkline.store.db import Connection, connect
from trunkline.store.embedded import scratch
from trunkline.store.migrate import migrate
from trunkline.store.queue import FIRST, AcceptedPart, Lane
from trunkline.store.settling import Decides, MatchedReceipt

DEPTHS = (10_000, 100_000, 1_000_000)
BATCH, ROUNDS = 100, 30
PLAN, ACCOUNT, CARRIER = PlanId(1), AccountId(1), CarrierId(1)
KEYED_PLAN = PlanId(2)  # its queue is left alone
ORIGIN = "https://client.example.com"

FILL = """
WITH m AS (
    SELECT msg_id_floor(now() - interval '2 hours') AS low, n,
           (lpad(to_hex((extract(epoch FROM now() - interval '1 hour') * 1000)::bigint + n / 1000), 12, '0') || '7'
            || lpad(to_hex(n), 19, '0'))::uuid AS msg_id
    FROM generate_series($1::int, $2::int) AS n
), stored AS (
    INSERT INTO msg (plan_id, msg_id, account_id, sender, recipient, body, encoding, parts, expires_at, status, sent_at,
                     final_at)
    SELECT 1, msg_id, 1, '12345', '+4670' || lpad(n::text, 8, '0'), 'hello world ' || n, 0, 1, now(), 2, now(), now()
    FROM m
), known AS (
    INSERT INTO ref (carrier_id, canonical_id, recipient, plan_id, msg_id, part_no, parts, link_id, tries, resubmitted,
                     claimed_at, sent_at)
    SELECT 1, 'old' || n, '+4670' || lpad(n::text, 8, '0'), 1, msg_id, 1, 1, 1, 0, false, now(), now() FROM m
), told AS (
    INSERT INTO receipt (carrier_id, link_id, received_at, canonical_id, plan_id, msg_id, part_no, status, error_code)
    SELECT 1, 1, now(), 'old' || n, 1, msg_id, 1, 2, 0 FROM m
)
INSERT INTO hook_attempt (plan_id, msg_id, n, tries, at, status, latency_ms)
SELECT 1, msg_id, 2, 1, now(), 200, 1 FROM m
"""

WORLD = """
INSERT INTO account (public_id, name) VALUES (repeat('1', 24), 'a');
INSERT INTO plan (public_id, account_id, name) VALUES (repeat('2', 24), 1, 'p');
INSERT INTO carrier (name) VALUES ('c');
"""


class Costs:
    """Seconds per step and round."""

    def __init__(self) -> None:
        self.rounds: dict[str, list[float]] = defaultdict(list)

    async def of(self, step: str, work: Awaitable[Any]) -> Any:
        began = time.perf_counter()
        result = await work
        self.rounds[step].append(time.perf_counter() - began)
        return result

    def micros(self) -> dict[str, float]:
        """Per message, the median of the rounds."""
        return {step: sorted(times)[len(times) // 2] / BATCH * 1e6 for step, times in self.rounds.items()}


async def trip(conn: Connection, epoch: int, ids: MsgIds, number: int, costs: Costs) -> None:
    """One batch through all steps."""
    batch = [
        Submission(
            PLAN, ids.new(time.time_ns() // 1_000_000), ACCOUNT, "12345", f"+4671{number * BATCH + n:08d}", "hello",
            f"{ORIGIN}/dlr?i={n}", None, "SE", 0, 1, CARRIER, 0, 3600, None, "24001",
        )
        for n in range(BATCH)
    ]  # fmt: skip
    await costs.of("accept", queue.accept(conn, batch, wake=False))
    keyed = [
        one._replace(plan_id=KEYED_PLAN, key=RequestKey(f"{number}-{n:08x}-0000-4000-8000-000000000000", bytes(32)))
        for n, one in enumerate(batch)
    ]
    await costs.of("accept keyed", queue.accept(conn, keyed, wake=False, keys_are_new=True))
    lane = [(Lane(0, PLAN), FIRST, BATCH)]
    claim = queue.claim(conn, CARRIER, epoch, lane, free_parts=BATCH, alone_parts=63, claim_no=number)
    claimed = await costs.of("claim", claim)
    await costs.of("contents", queue.contents(conn, claimed))
    parts = [
        AcceptedPart(f"new{number}-{n}", batch[n].recipient, c.plan_id, c.msg_id, 1, 1, 1, 0, False, c.claimed_at)
        for n, c in enumerate(claimed)
    ]
    await costs.of("accepted", queue.parts_accepted(conn, CARRIER, parts))
    names = [part.canonical_id for part in parts]
    found = await costs.of("match", receipts.candidates(conn, CARRIER, names, dt.timedelta(days=4)))
    told = [
        MatchedReceipt(
            1, f.canonical_id, f.plan_id, f.msg_id, 1, "DELIVRD", "000", 2, 0, None, Decides.MESSAGE, f.sent_at, False
        )
        for f in found
    ]
    await costs.of("settle", settling.apply_receipts(conn, CARRIER, told, [], wake=False))
    origin_from = hooks.Place.before(dt.datetime(2000, 1, 1, tzinfo=dt.UTC))
    due = await costs.of("due", hooks.due(conn, [(PLAN, ORIGIN, origin_from, BATCH)]))
    assert len(due) == BATCH
    await costs.of("records", hooks.finals(conn, due))
    done = [hooks.Acknowledged(h.plan_id, h.origin, h.due_at, h.msg_id, h.n, 1, 200, 1) for h in due]
    await costs.of("acknowledged", hooks.acknowledged(conn, done))


async def measure(dsn: str) -> None:
    await migrate(dsn)
    cold = await connect(dsn, name="fill")
    await cold.execute(WORLD)
    conn = await connect(dsn, name="depth", hot=True)
    epoch = await leases.register(cold, "bench", 1, 3600)
    await leases.take(cold, epoch)
    ids, stored, number = MsgIds(), 0, 1
    results: list[dict[str, float]] = []
    for depth in DEPTHS:
        while stored < depth:
            await cold.execute(FILL, stored + 1, min(stored + 100_000, depth), timeout=300)
            stored = min(stored + 100_000, depth)
        costs = Costs()
        for _ in range(ROUNDS):
            await trip(conn, epoch, ids, number, costs)
            number += 1
        results.append(costs.micros())
    print(f"{'us per message':16s}" + "".join(f"{depth:>12,d}" for depth in DEPTHS) + "   last/first")
    for step in results[0]:
        row = [result[step] for result in results]
        print(f"{step:16s}" + "".join(f"{value:12.1f}" for value in row) + f"{row[-1] / row[0]:13.2f}")
    sums = [sum(result.values()) for result in results]
    print(f"{'all':16s}" + "".join(f"{value:12.1f}" for value in sums) + f"{sums[-1] / sums[0]:13.2f}")
    await conn.close()
    await cold.close()


def main() -> int:
    with scratch({"fsync": "on", "full_page_writes": "on"}) as endpoint:
        asyncio.run(measure(endpoint.dsn))
    return 0


if __name__ == "__main__":
    sys.exit(main())
