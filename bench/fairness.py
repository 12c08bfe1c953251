"""Does a plan with a million messages in the queue make another plan's message wait?

    just bench-fair [COUNT]

A real installation (embedded PostgreSQL, fsync on) with a carrier that answers after 20 ms, and recorders as processes
of their own. A plan sends ten messages a second, alone; then beside a plan with COUNT messages queued for the same
carrier, which takes them as fast as its windows allow. Two times of each message: from the request to the carrier, and
to its delivered receipt at the customer's.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import asyncpg

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests" / "fault"))

from rig.installation import Installation, installation  # noqa: E402
from rig.recording import Recording  # noqa: E402

from trunkline.runtime import clock  # noqa: E402

SAMPLES, PER_S = 300, 10
LEASE_S = 300  # the dispatcher stands still while its queue is filled
FILL = """
WITH s AS (
    SELECT (lpad(to_hex((extract(epoch FROM now() - interval '10 minutes') * 1000)::bigint + n / 1000), 12, '0') || '7'
            || lpad(to_hex(n), 19, '0'))::uuid AS msg_id, n
    FROM generate_series($1::int, $2::int) AS n
), stored AS (
    INSERT INTO msg (plan_id, msg_id, account_id, sender, recipient, body, encoding, parts, expires_at)
    SELECT $3::int, msg_id, 1, '12345', '+4670' || lpad(n::text, 8, '0'), 'news ' || n, 0, 1, now() + interval '3 days'
    FROM s
)
INSERT INTO mt_queue (carrier_id, plan_id, priority, msg_id, missing, parts, expires_at)
SELECT 1, $3, 0, msg_id, 1, 1, now() + interval '3 days' FROM s
"""


async def fill(it: Installation, count: int) -> None:
    """Queues so many messages of a plan of its own; the dispatcher stands still meanwhile."""
    pid = it.signal("dispatcher-1", signal.SIGSTOP)
    conn = await asyncpg.connect(it.database)
    plan_id = await conn.fetchval(
        "INSERT INTO plan (public_id, account_id, name) VALUES (repeat('9', 24), 1, 'news') RETURNING plan_id"
    )
    began = time.perf_counter()
    for first in range(1, count + 1, 100_000):
        await conn.execute(FILL, first, min(first + 99_999, count), plan_id, timeout=300)
    await conn.execute("ANALYZE")
    await conn.close()
    print(f"{count} messages queued in {time.perf_counter() - began:.0f} s", flush=True)
    os.kill(pid, signal.SIGCONT)


async def sampled(it: Installation, client: Recording, name: str) -> dict[str, list[float]]:
    """The times of some messages, in seconds."""
    before = {line["reqId"] for line in client.lines()}
    submits = (await it.smsc.ask("counts")).get("submit", 0)
    began = clock.monotonic_s()
    await client.ask("begin", count=SAMPLES, per_s=PER_S)
    await client.ask("end", at_once=False)
    took = clock.monotonic_s() - began
    rate = ((await it.smsc.ask("counts"))["submit"] - submits) / took
    sent = {line["msgId"]: line for line in client.lines() if line["reqId"] not in before}
    while True:
        told = {line["msgId"]: line["t"] for line in it.sink.lines() if line["k"] == "hook" and line["msgId"] in sent}
        if len(told) == SAMPLES:
            break
        await clock.sleep(0.2)
    at_carrier = {line["ref"]: line["t"] for line in it.smsc.lines() if line["k"] == "submit" and line["ref"]}
    begun = {msg_id: line["t"] - line["s"] for msg_id, line in sent.items()}
    times = {
        "to the carrier": sorted(at_carrier[sent[msg_id]["reqId"]] - at for msg_id, at in begun.items()),
        "to the receipt": sorted(told[msg_id] - at for msg_id, at in begun.items()),
    }
    print(f"{name}: the carrier got {rate:.0f} parts a second", flush=True)
    return times


def shown(alone: dict[str, list[float]], beside: dict[str, list[float]]) -> None:
    print(f"{'ms':16}{'alone p50':>12}{'p95':>8}{'beside p50':>12}{'p95':>8}{'ratio p50':>12}{'p95':>8}")
    for what in alone:
        numbers: list[Any] = []
        for share in (50, 95):
            numbers.append([times[what][len(times[what]) * share // 100] * 1000 for times in (alone, beside)])
        (a50, b50), (a95, b95) = numbers
        print(f"{what:16}{a50:12.1f}{a95:8.1f}{b50:12.1f}{b95:8.1f}{b50 / a50:12.2f}{b95 / a95:8.2f}")


async def measure(folder: Path, count: int) -> None:
    async with installation(folder, None, lease_s=LEASE_S, binds=2, window=10, smsc={"answer_s": 0.02}) as it:
        client = await it.client(senders=2)
        await client.ask("send", count=50)  # warm
        alone = await sampled(it, client, "alone")
        await fill(it, count)
        await it.smsc.wait("submit", 1000)
        beside = await sampled(it, client, "beside")
        conn = await asyncpg.connect(it.database)
        left = await conn.fetchval("SELECT count(*) FROM mt_queue")
        await conn.close()
        print(f"{left} were still queued at the end")
        shown(alone, beside)


def main(count: int = 1_000_000) -> None:
    folder = Path(tempfile.mkdtemp(prefix="trunkline-fair-"))
    folder.chmod(0o711)  # root's PostgreSQL runs as another user, who has to pass through
    try:
        asyncio.run(measure(folder, count))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
