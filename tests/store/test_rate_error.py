"""How exactly a limit is kept by two API processes at 1.5 times of it (T47), by a clock that the test moves."""

from __future__ import annotations

import asyncio
import itertools
import json
import math
import random
from bisect import bisect_left
from collections.abc import Callable
from typing import Any

import asyncpg
import pytest
from rate_clock import set_clock, stop_clock

from trunkline.api.app import Api
from trunkline.api.exchange import Later, Request
from trunkline.api.limits import RateLimits
from trunkline.domain.provisioning import CarrierId
from trunkline.domain.token import issue
from trunkline.store.limits import Leases
from trunkline.store.provisioning import load

WINDOW_S = 10.0
_LEASE_S = 0.01  # how long a lease takes here: longer than anywhere else


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Node:
    """One API process: all that a request and a lease pass through, but for the socket."""

    def __init__(self, dsn: str, picture: Any, token: str, clock: Clock) -> None:
        self.leases = Leases(dsn)
        self.limits = RateLimits(self.leases, clock)
        self.api = Api(
            provisioning=lambda: picture,
            accept=lambda submission: pytest.fail("its sender is not authorised"),
            first_choice=lambda *_: CarrierId(1),
            in_work=lambda plan_id, key: None,
            readers=None,  # type: ignore[arg-type]
            writers=None,  # type: ignore[arg-type]
            limits=self.limits,
            now_ms=lambda: 1_900_000_000_000,
            cursor_key=bytes(32),
        )
        self.headers = {b"authorization": f"Bearer {token}".encode(), b"content-type": b"application/json"}
        self.waiting: list[tuple[float, Request, Later]] = []

    def ask(self, now: float, plan: str) -> int | None:
        """A send that is refused once it was counted: 403, or 429. None: it waits for a lease."""
        fields = {"servicePlanId": plan, "channel": "SMS", "from": "Nobody", "to": "+15550002222", "body": "x"}
        body = json.dumps(fields).encode()
        request = Request(b"POST", b"/v1/sendsms", b"", self.headers, body, False, "192.0.2.1", "r")
        return self._status(now, request, self.api.handle(request))

    def _status(self, now: float, request: Request, answer: Any) -> int | None:
        if isinstance(answer, Later):
            self.waiting.append((now, request, answer))
            return None
        return int(answer.status)

    async def round(self) -> list[float]:
        """Fetches the leases that were asked for; the times of those requests that had waited and passed."""
        if self.limits._asking:
            await self.limits.round()
        passed = []
        waiting, self.waiting = self.waiting, []
        for at, request, later in waiting:
            if not later.awaited.done():  # type: ignore[attr-defined]
                self.waiting.append((at, request, later))
            elif self._status(at, request, self.api.finish(request, later, later.awaited)) == 403:
                passed.append(at)
        return passed


async def measured(
    database: str, account_rate: int, plan_rate: int, seconds: float, spacing: Callable[[], float], node_of: Any
) -> list[float]:
    """When requests passed, of so many seconds of them. They take turns between two plans of the account."""
    conn = await asyncpg.connect(database)
    issued = issue()
    await conn.execute(
        "INSERT INTO account (public_id, name, rate_per_s) VALUES (repeat('1', 24), 'a', $1)", account_rate
    )
    await conn.execute(
        "INSERT INTO plan (public_id, account_id, name, rate_per_s) VALUES (repeat('2', 24), 1, 'p', $1),"
        " (repeat('3', 24), 1, 'q', 0)", plan_rate,
    )  # fmt: skip
    await conn.execute(
        "INSERT INTO token (account_id, label, hash, scopes) VALUES (1, 't', $1, '{messages:send}')", issued.hash
    )
    picture = await load(conn, bytes(32))
    await stop_clock(conn)
    clock = Clock()
    nodes = [Node(database, picture, issued.token, clock) for _ in range(2)]
    plans = itertools.cycle(["2" * 24] if plan_rate else ["2" * 24, "3" * 24])
    passed: list[float] = []
    request_at, round_at = 0.0, math.inf
    while request_at < seconds or round_at < math.inf:
        clock.now = min(request_at, round_at)
        if clock.now == round_at:
            await set_clock(conn, clock.now)
            for node in nodes:
                passed += await node.round()
            round_at = math.inf
        else:
            if nodes[node_of()].ask(clock.now, next(plans)) == 403:
                passed.append(clock.now)
            request_at += spacing()
        if round_at == math.inf and any(node.limits._asking for node in nodes):
            round_at = clock.now + _LEASE_S
    for node in nodes:
        await node.leases.close()
    await conn.close()
    return sorted(passed)


def worst(passed: list[float], rate: float, seconds: float) -> tuple[float, float]:
    """The least and the most that passed in any window, as shares of the limit."""
    counts = [
        bisect_left(passed, begin + WINDOW_S) - bisect_left(passed, begin)
        for begin in (number / 10 for number in range(int((seconds - WINDOW_S) * 10)))
    ]
    return min(counts) / (rate * WINDOW_S), max(counts) / (rate * WINDOW_S)


@pytest.mark.parametrize("share", [0.5, 0.9, 1.0], ids=["both alike", "nearly all to one", "all to one"])
@pytest.mark.parametrize(
    ("account_rate", "plan_rate"), [(200, 0), (0, 100), (20, 0), (0, 5)], ids=["account 200", "plan 100", "20", "5"]
)
def test_any_ten_seconds_are_within_five_percent(
    database: str, account_rate: int, plan_rate: int, share: float
) -> None:
    rate = account_rate or plan_rate
    chance = random.Random(rate)
    seconds = 13.0
    passed = asyncio.run(
        measured(database, account_rate, plan_rate, seconds, lambda: 1 / (1.5 * rate), lambda: chance.random() >= share)
    )
    least, most = worst(passed, rate, seconds)
    assert 0.95 <= least <= most <= 1.05


def test_a_customer_who_stays_below_the_limit_is_never_refused(database: str) -> None:
    """Bursts of a fifth of a second's quota, at nine tenths of the limit."""
    gaps = itertools.cycle([0.0] * 19 + [20 / (0.9 * 100)])
    chance = random.Random(4)
    asked = 0

    def spacing() -> float:
        nonlocal asked
        asked += 1
        return next(gaps)

    passed = asyncio.run(measured(database, 0, 100, 12.0, spacing, lambda: chance.random() >= 0.5))
    assert len(passed) >= asked - 20  # those of the last burst may still wait


def test_ten_times_the_limit_is_the_limit(database: str) -> None:
    chance = random.Random(5)
    passed = asyncio.run(measured(database, 0, 100, 11.0, lambda: 1 / 1000, lambda: chance.random() >= 0.3))
    least, most = worst(passed, 100, 11.0)
    assert 0.95 <= least <= most <= 1.05
