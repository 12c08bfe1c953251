"""What prices, balances and the guard cost: a look-up among many prices, and accepting a message with each of them.

    .venv/bin/python bench/prices.py [COUNT]

COUNT prices (100,000) of networks and countries, loaded as an API process does it; then batches of 100 through the real
statements on an embedded PostgreSQL with fsync on, in turns: without a price, with one, paid from a balance, watched.
"""

from __future__ import annotations

import asyncio
import random
import sys
import time
from collections import defaultdict

from loading import peak_mb

from trunkline.domain.guard import Guard, Limit, counters_of
from trunkline.domain.ids import MsgIds
from trunkline.domain.message import Submission
from trunkline.domain.price import SenderKind
from trunkline.domain.provisioning import AccountId, CarrierId, PlanId
from trunkline.domain.terms import Purse, Terms
from trunkline.mt.admit import store_judged
from trunkline.numbering.plan import REGIONS
from trunkline.store import queue
from trunkline.store.db import Connection, connect
from trunkline.store.embedded import scratch
from trunkline.store.migrate import migrate
from trunkline.store.prices import PriceWatch

LOOKS, BATCH, ROUNDS = 200_000, 100, 60
GUARD = Guard(Limit(5, 600), Limit(30, 600), Limit(10, 600))
SET_UP = """
INSERT INTO account (public_id, name) VALUES (repeat('1', 24), 'a');
INSERT INTO plan (public_id, account_id, name) VALUES (repeat('2', 24), 1, 'p');
INSERT INTO carrier (name) VALUES ('c');
INSERT INTO balance (kind, subject_id, currency, left_micro) VALUES (0, 1, 'EUR', 1000000000000);
INSERT INTO price_list (name, currency) VALUES ('standard', 'EUR');
"""


async def prices(dsn: str, conn: Connection, count: int) -> None:
    countries = REGIONS.split()[:-1]
    networks = [f"{200_000 + n}" for n in range(count)]
    await conn.copy_records_to_table(
        "price", columns=["price_list_id", "country", "mccmnc", "sender_kind", "price_micro"],
        records=[(1, "", network, 0, n) for n, network in enumerate(networks[len(countries) :])]
        + [(1, country, "", SenderKind.ALPHANUMERIC, n) for n, country in enumerate(countries)],
    )  # fmt: skip
    watch = PriceWatch(dsn)
    before, began = peak_mb(), time.perf_counter()
    await watch.refresh()
    print(f"{count:,} prices loaded in {time.perf_counter() - began:.1f} s, {peak_mb() - before:.0f} MB more")
    chance = random.Random(1)
    senders = ("+46700000001", "12345", "Trunkline")
    asked = [(1, chance.choice(countries), chance.choice(networks), senders[n % 3]) for n in range(LOOKS)]
    best = min(timed(watch, asked) for _ in range(5))
    print(f"a look-up: {best:.2f} CPU-us (best of 5)")
    await watch.close()


def timed(watch: PriceWatch, asked: list[tuple[int, str, str, str]]) -> float:
    """CPU microseconds each."""
    began = time.process_time()
    for one in asked:
        watch.price_of(*one)
    return (time.process_time() - began) / len(asked) * 1e6


async def accepts(dsn: str) -> None:
    conn = await connect(dsn, name="bench", hot=True)
    ids, spent = MsgIds(), defaultdict(list)
    chance = random.Random(2)
    for _ in range(ROUNDS):
        for what in ("without", "priced", "prepaid", "watched"):
            batch = [one(what, ids, f"+467{chance.randrange(10**8):08d}") for _ in range(BATCH)]
            store = queue.accept if what in ("without", "priced") else store_judged
            began = time.perf_counter()
            await store(conn, batch, wake=False)
            spent[what].append((time.perf_counter() - began) / BATCH * 1e6)
    for what, times in spent.items():
        print(f"accept, {what:8s} {sorted(times)[len(times) // 2]:6.1f} us a message (median)")
    await conn.close()


def one(what: str, ids: MsgIds, to: str) -> Submission:
    terms = {
        "without": None,
        "priced": Terms(7_500, 0, "EUR"),
        "prepaid": Terms(7_500, 0, "EUR", Purse(0, 1)),
        "watched": Terms(counters=counters_of(GUARD, frozenset(), to)),
    }[what]
    return Submission(
        PlanId(1), ids.new(time.time_ns() // 1_000_000), AccountId(1), "12345", to, "hello", None, None, "SE", 0, 1,
        CarrierId(1), 0, 3600, None, "24001", None, terms,
    )  # fmt: skip


async def measure(dsn: str, count: int) -> None:
    await migrate(dsn)
    conn = await connect(dsn, name="bench")
    await conn.execute(SET_UP)
    await prices(dsn, conn, count)
    await conn.close()
    await accepts(dsn)


def main() -> int:
    with scratch({"fsync": "on", "full_page_writes": "on"}) as endpoint:
        asyncio.run(measure(endpoint.dsn, int(sys.argv[1]) if len(sys.argv) > 1 else 100_000))
    return 0


if __name__ == "__main__":
    sys.exit(main())
