"""What many routes cost: a choice, the memory, and how long a process takes to load them.

    .venv/bin/python bench/routing.py [COUNT]

COUNT routes (100,000) as the price lists of 8 carriers make them, to prefixes of 3 to 9 digits, networks and countries,
and of 200 plans. An embedded PostgreSQL, loaded as processes do it, with another task in the same loop that
notes for how long it was not let in.
"""

from __future__ import annotations

import asyncio
import gc
import multiprocessing
import random
import sys
import time
from collections.abc import Iterator

import uvloop
from loading import pauses, peak_mb

from trunkline.domain.ids import MsgIds
from trunkline.domain.provisioning import CarrierId, Plan, PlanId, Provisioning
from trunkline.domain.routes import Route, Routes
from trunkline.mt.route import Router
from trunkline.store import routes as store
from trunkline.store.db import connect, uuid_of
from trunkline.store.embedded import scratch
from trunkline.store.migrate import migrate

MESSAGES = 20_000
PLANS, CARRIERS = 200, 8
COUNTRIES = ("GB", "SE", "NL", "DE", "FR", "US", "IN", "BR")
CALLING = ("44", "46", "31", "49", "33", "1", "91", "55")


def rows(count: int) -> Iterator[tuple[object, ...]]:
    """Price lists: nine in ten are a carrier's price for a destination that the other carriers have one for too; the
    others are plans' own."""
    chance = random.Random(1)
    places = [(place, *destination(chance, place)) for place in range(8) for _ in range(count // 70)]
    for n in range(count):
        cost = chance.randrange(100, 90_000)
        if n % 10:
            _, prefixes, networks, countries = places[n // CARRIERS % len(places)]
            yield f"route {n}", n % CARRIERS + 1, None, prefixes, networks, countries, cost
        else:
            own = destination(chance, chance.randrange(8))
            yield f"route {n}", chance.randrange(1, CARRIERS + 1), chance.randrange(1, PLANS + 1), *own, cost


def destination(chance: random.Random, place: int) -> tuple[list[str] | None, list[str] | None, list[str] | None]:
    """Prefixes, networks, countries: one of them."""
    kind = chance.random()
    if kind < 0.85:
        return [CALLING[place] + "".join(chance.choices("0123456789", k=chance.randrange(2, 8)))], None, None
    if kind < 0.99:
        return None, [f"{200 + place}{chance.randrange(1000):03}"], None
    return None, None, [COUNTRIES[place]]


async def fill(dsn: str, count: int) -> None:
    await migrate(dsn)
    conn = await connect(dsn, name="bench")
    await conn.execute("INSERT INTO account (public_id, name) VALUES (repeat('1', 24), 'a')")
    await conn.execute(
        "INSERT INTO plan (public_id, account_id, name) SELECT lpad(n::text, 24, '0'), 1, 'p' || n"
        " FROM generate_series(1, $1) n",
        PLANS,
    )
    await conn.execute("INSERT INTO carrier (name) SELECT 'c' || n FROM generate_series(1, $1) n", CARRIERS)
    columns = ("name", "carrier_id", "plan_id", "prefixes", "networks", "countries", "cost_micro")
    await conn.copy_records_to_table("route", records=rows(count), columns=columns)
    await conn.close()


def look(dsn: str) -> None:
    """In a process of its own, so that its memory is that of the routes."""
    uvloop.run(loaded(dsn))


async def loaded(dsn: str) -> None:
    conn = await connect(dsn, name="bench")
    beside = asyncio.create_task(pauses())
    before = peak_mb()
    began = time.perf_counter()
    routes = await store.load_alone(conn)
    spent = time.perf_counter() - began
    beside.cancel()
    longest, long_count = await beside
    print(
        f"loaded: {spent:.2f} s, {len(routes):,} routes, {peak_mb() - before:.0f} MB; the loop paused {long_count}"
        f" times for over 5 ms, {longest * 1e3:.1f} ms at most"
    )
    await conn.close()
    ask(routes, "as loaded")
    again = peak_mb()
    ask(Routes([Route(1, "default", CarrierId(1))]), "one route to everywhere")
    ask(Routes([Route(n, "equal", CarrierId(n), weight=n) for n in (1, 2, 3)]), "three that share by weight")
    print(f"answers remembered: {again - before:.0f} MB with the routes at most")


def ask(routes: Routes, what: str) -> None:
    """CPU microseconds for a choice: what is asked at acceptance, and again for each claimed message."""
    plan = Plan(PlanId(1), "", 1, "", "p", True, None, None, False, 600, 60, 0, True, None, ())  # type: ignore[arg-type]
    picture = Provisioning(0, {}, {PlanId(n): plan for n in range(1, PLANS + 1)}, {}, {}, {}, {}, {}, routes)
    chance, ids = random.Random(2), MsgIds(uuid_of)
    messages = []
    for _ in range(MESSAGES):
        place = chance.randrange(8)
        to = "+" + CALLING[place] + "".join(chance.choices("0123456789", k=9))
        network = f"{200 + place}{chance.randrange(1000):03}" if chance.random() < 0.5 else None
        plan_id = PlanId(chance.randrange(1, PLANS + 1))
        messages.append((plan_id, "12345", to, COUNTRIES[place], network, ids.new(1_900_000_000_000)))
    choose = Router().choose
    gc.collect()  # as in the processes (roles/process.py)
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
    for how, asked in (("at random", messages), ("a hundred again and again", messages[:100] * (MESSAGES // 100))):
        best = float("inf")
        for _ in range(3):
            routes._kept.clear()
            began = time.process_time()
            for message in asked:
                choose(picture, *message)
            best = min(best, (time.process_time() - began) / len(asked) * 1e6)
        print(f"a choice, {what}, {how}: {best:.2f} CPU-us (best of 3), {len(routes._kept)} answers kept")


if __name__ == "__main__":
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    with scratch() as endpoint:
        asyncio.run(fill(endpoint.dsn, wanted))
        process = multiprocessing.get_context("spawn").Process(target=look, args=(endpoint.dsn,))
        process.start()
        process.join()
