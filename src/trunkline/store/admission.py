"""What a batch is judged by: held while it is judged, and put back as it is then."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

from trunkline.domain.admission import Admission, Balance, Spend, Window, WindowKey
from trunkline.domain.guard import Counter, Rule, shown
from trunkline.domain.message import Submission
from trunkline.domain.provisioning import PlanId
from trunkline.domain.status import Status
from trunkline.domain.terms import PLAN, Cap, Purse
from trunkline.store.db import Connection
from trunkline.store.queries import Queries
from trunkline.store.queue import Claimed, columns, database_now

_SQL = Queries("admission", {"UNKNOWN": str(int(Status.UNKNOWN))})
_PERIODS = {"day": "YYYY-MM-DD", "month": "YYYY-MM"}


class Held:
    """The rows of a batch's purses, caps and counters, locked until the end of the caller's transaction."""

    def __init__(
        self,
        now: dt.datetime,
        balances: dict[Purse, Balance],
        spends: dict[PlanId, Spend],
        windows: dict[WindowKey, Window],
        counters: dict[WindowKey, Counter],
    ) -> None:
        self.now = now
        self.balances = balances
        self.spends = spends
        self.windows = windows
        self._counters = counters

    @classmethod
    async def of(cls, conn: Connection, batch: Sequence[Submission]) -> Held:
        """Locks them; waits for whoever has one."""
        purses: set[Purse] = set()
        caps: dict[PlanId, Cap] = {}
        counters: dict[WindowKey, Counter] = {}
        for message in batch:
            terms = message.terms
            if terms is None:
                continue
            if terms.purse is not None:
                purses.add(terms.purse)
            if terms.cap is not None:
                caps[message.plan_id] = terms.cap
            for counter in terms.counters:
                counters[message.plan_id, counter.rule, counter.key] = counter
        windows = await _windows(conn, sorted(counters)) if counters else {}
        balances = await _balances(conn, sorted(purses)) if purses else {}
        spends = await _spends(conn, sorted(caps.items())) if caps else {}
        # After the locks: whoever had them may have begun a window a moment ago.
        return cls(await database_now(conn), balances, spends, windows, counters)

    async def put(self, conn: Connection, admission: Admission) -> None:
        """Stores them as they are now, with a notice of what is news."""
        if self.windows:
            await conn.fetch(_SQL.put_windows, [self._row(key, one) for key, one in self.windows.items()])
        if self.balances:
            rows = [(*purse, b.currency, b.left_micro, b.empty_since) for purse, b in self.balances.items()]
            await conn.fetch(_SQL.put_balances, *columns(rows, 5))
        if self.spends:
            spent = [(plan_id, s.period, s.spent_micro, s.reached_at) for plan_id, s in self.spends.items()]
            await conn.fetch(_SQL.put_spends, *columns(spent, 4))
        if admission.news:
            await conn.fetch(_SQL.notices, *columns([self._notice(one) for one in admission.news], 4))

    def _row(self, key: WindowKey, window: Window) -> tuple[object, ...]:
        until = max(window.began_at, window.stopped_at or window.began_at)
        expires_at = until + dt.timedelta(seconds=self._counters[key].window_s)
        numbers = sorted(window.numbers)
        return (*key, window.began_at, window.counted, numbers, window.stopped, window.stopped_at, expires_at)

    def _notice(self, news: Purse | PlanId | WindowKey) -> tuple[str, int, int, str]:
        if isinstance(news, Purse):
            return "balance.empty", news.kind, news.subject_id, "{}"
        if isinstance(news, int):
            return "spend.reached", PLAN, news, json.dumps({"period": self.spends[news].period})
        plan_id, rule, key = news
        return "guard.stopped", PLAN, plan_id, json.dumps({"rule": rule.name.lower(), "numbers": shown(rule, key)})


async def _windows(conn: Connection, keys: Sequence[WindowKey]) -> dict[WindowKey, Window]:
    rows = await conn.fetch(_SQL.windows, *columns(keys, 3))
    return {(row[0], Rule(row[1]), row[2]): Window(row[3], row[4], set(row[5]), row[6], row[7]) for row in rows}


async def _balances(conn: Connection, purses: Sequence[Purse]) -> dict[Purse, Balance]:
    rows = await conn.fetch(_SQL.balances, *columns(purses, 2))
    return {Purse(row[0], row[1]): Balance(row[2], row[3], row[4]) for row in rows}


async def _spends(conn: Connection, caps: Sequence[tuple[PlanId, Cap]]) -> dict[PlanId, Spend]:
    asked = [(plan_id, _PERIODS[cap.per]) for plan_id, cap in caps]
    return {row[0]: Spend(row[1], row[2], row[3]) for row in await conn.fetch(_SQL.spends, *columns(asked, 2))}


async def reserve(conn: Connection, held: Held, batch: Sequence[Submission]) -> None:
    """Notes of messages what they hold of their purse and their plan's cap, until that is charged or given back."""
    rows = []
    for message in batch:
        terms = message.terms
        if terms is None or (terms.purse is None and terms.cap is None):
            continue
        kind, subject_id = terms.purse if terms.purse is not None else (None, None)
        period = held.spends[message.plan_id].period if terms.cap is not None else None
        rows.append((message.plan_id, message.msg_id, kind, subject_id, period, terms.cost_micro(message.parts)))
    if rows:
        await conn.fetch(_SQL.put_reserves, *columns(rows, 6))


class DueReserve(NamedTuple):
    """What a message that is final still holds. `is_open`: a part is on its way or in doubt; `is_unknown`: how a part
    ended is not known, and may still come out."""

    plan_id: PlanId
    msg_id: UUID
    kind: int | None
    subject_id: int | None
    period: str | None
    held_micro: int
    charged_micro: int
    is_open: bool
    is_unknown: bool | None  # None: the message is gone


async def reserves_due(conn: Connection) -> list[DueReserve]:
    """Takes what has to be looked at; in the same transaction the caller decides about each."""
    return [DueReserve(*row) for row in await conn.fetch(_SQL.reserves_due)]


async def look_later(conn: Connection, reserves: Sequence[DueReserve], after_s: Sequence[float]) -> None:
    rows = [(one.plan_id, one.msg_id, seconds) for one, seconds in zip(reserves, after_s, strict=True)]
    await conn.fetch(_SQL.look_later, *columns(rows, 3))


async def release(conn: Connection, reserves: Sequence[DueReserve]) -> None:
    """Ends reserves: what was not charged of them goes back to where it was taken from."""
    await conn.fetch(_SQL.drop_reserves, *columns([(one.plan_id, one.msg_id) for one in reserves], 2))
    purses: dict[Purse, int] = {}
    spends: dict[tuple[PlanId, str], int] = {}
    for one in reserves:
        rest = one.held_micro - one.charged_micro
        if one.kind is not None and one.subject_id is not None:
            purse = Purse(one.kind, one.subject_id)
            purses[purse] = purses.get(purse, 0) + rest
        if one.period is not None:
            spends[one.plan_id, one.period] = spends.get((one.plan_id, one.period), 0) + rest
    if purses := {purse: micro for purse, micro in purses.items() if micro}:
        await _balances(conn, sorted(purses))
        await conn.fetch(_SQL.give_back, *columns([(*purse, micro) for purse, micro in purses.items()], 3))
    if spends := {key: micro for key, micro in spends.items() if micro}:
        await conn.fetch(_SQL.hold_spends, *columns(sorted(spends), 2))
        await conn.fetch(_SQL.unspend, *columns([(*key, micro) for key, micro in spends.items()], 3))


async def holding(conn: Connection, batch: Sequence[Claimed]) -> set[UUID]:
    """Which of these messages hold money."""
    keys = [(one.plan_id, one.msg_id) for one in batch]
    return {row[0] for row in await conn.fetch(_SQL.holding, *columns(keys, 2))}


async def extend(conn: Connection, claimed: Claimed, parts: int) -> bool:
    """Has a claimed message, of which nothing was submitted yet, hold the cost of so many parts; False where the money
    is not there: the caller's transaction has to be taken back then."""
    row = await conn.fetchrow(_SQL.reserve_of, claimed.plan_id, claimed.msg_id, claimed.claimed_at)
    if row is None:  # the claim is over
        return True
    kind, subject_id, period, part_micro = row
    micro = (parts - claimed.missing.bit_count()) * part_micro
    if kind is not None and await conn.fetchval(_SQL.take_more, kind, subject_id, micro) is None:
        return False
    if period is not None and await conn.fetchval(_SQL.spend_more, claimed.plan_id, period, micro) is None:
        return False
    await conn.execute(_SQL.hold_more, claimed.plan_id, claimed.msg_id, micro)
    return True


async def forget_windows(conn: Connection) -> int:
    """Removes windows that are over. Returns how many."""
    return len(await conn.fetch(_SQL.forget_windows))


async def ensure_balance(conn: Connection, purse: Purse, currency: str) -> str:
    """Makes the purse where it is missing, empty; the currency that it has."""
    await conn.execute(_SQL.ensure_balance, *purse, currency)
    return await currency_of(conn, purse) or currency


async def currency_of(conn: Connection, purse: Purse) -> str | None:
    """The purse's currency; None where there is no such purse."""
    found: str | None = await conn.fetchval(_SQL.balance_currency, *purse)
    return found


async def add(conn: Connection, purse: Purse, micro: int, actor: str, note: str) -> int | None:
    """Puts money into a purse, or takes some out (less than 0), with its entry, in the caller's transaction. What is
    left then; None where there is less than is to be taken, or no such purse."""
    left: int | None = await conn.fetchval(_SQL.add, *purse, micro)
    if left is not None:
        await conn.execute(_SQL.entry, *purse, micro, actor, note)
    return left


async def shown_balances(conn: Connection) -> list[dict[str, Any]]:
    return [dict(row) for row in await conn.fetch(_SQL.shown_balances)]


async def shown_spends(conn: Connection) -> list[dict[str, Any]]:
    return [dict(row) for row in await conn.fetch(_SQL.shown_spends)]


async def stops(conn: Connection, limit: int) -> list[dict[str, Any]]:
    """Windows that stopped something, the newest first."""
    return [dict(row) for row in await conn.fetch(_SQL.stops, limit)]


async def open_windows(conn: Connection, plan_id: PlanId, keys: Sequence[str]) -> int:
    """Has a plan's windows of these keys count anew. Returns how many."""
    return len(await conn.fetch(_SQL.open_windows, plan_id, keys))
