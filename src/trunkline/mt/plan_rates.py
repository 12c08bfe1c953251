"""How many messages a second plans may send: each claims no more, whatever carriers and processes its messages go by.

The buckets are in the database, beside those of the API's rate limits, and are leased from in slices of 50 ms.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from trunkline.domain.provisioning import Plan, PlanId
from trunkline.store import limits
from trunkline.store.db import Connection
from trunkline.store.limits import Ask

_KIND = 2  # of the bucket: the API's are 0 and 1
_SLICE_S = 0.05
_HELD_S = 0.25  # what a full bucket holds
_NO_LIMIT = 1_000_000


class _Allowance:
    __slots__ = ("dry_until", "left")

    def __init__(self) -> None:
        self.left = 0  # messages that may be claimed before the next lease
        self.dry_until = -math.inf  # until then the bucket is known to hold nothing more


class PlanRates:
    """One carrier's part of the plans' limits. `now` is the caller's, in seconds."""

    def __init__(self) -> None:
        self._allowances: dict[PlanId, _Allowance] = {}
        self._plans: Mapping[PlanId, Plan] = {}

    async def lease(self, conn: Connection, plans: Mapping[PlanId, Plan], wanted: Iterable[PlanId], now: float) -> None:
        """Gets a slice for those of the `wanted` plans that have a limit, nothing left, and may get something.

        Raises what the database raises.
        """
        self._plans = plans
        asks = []
        for plan_id in wanted:
            rate = self._rate(plan_id)
            if rate is None:
                continue
            allowance = self._allowances.setdefault(plan_id, _Allowance())
            allowance.left = max(allowance.left, 0)  # it had no limit for a while
            if allowance.left <= 0 and now >= allowance.dry_until:
                capacity = max(rate * _HELD_S, 1.0)
                asks.append(Ask(_KIND, plan_id, rate, capacity, min(max(int(rate * _SLICE_S), 1), int(capacity))))
        if not asks:
            return
        for ask, lease in zip(asks, await limits.lease(conn, asks), strict=True):
            allowance = self._allowances[PlanId(ask.subject_id)]
            allowance.left += lease.granted
            if lease.granted < ask.wanted:
                allowance.dry_until = now + (1 - lease.tokens) / ask.rate_per_s

    def _rate(self, plan_id: PlanId) -> int | None:
        plan = self._plans.get(plan_id)
        return None if plan is None else plan.messages_per_s

    def most(self, plan_id: PlanId) -> int:
        """How many messages of the plan may be claimed now."""
        if self._rate(plan_id) is None:
            return _NO_LIMIT
        allowance = self._allowances.get(plan_id)
        return 0 if allowance is None else allowance.left

    def claimed(self, plan_id: PlanId) -> None:
        """One message was."""
        if plan_id in self._allowances:
            self._allowances[plan_id].left -= 1

    def wait_s(self, now: float) -> float:
        """Seconds until a plan whose bucket was empty may have something; infinite where there is none."""
        due = [one.dry_until for one in self._allowances.values() if one.left <= 0 and one.dry_until > now]
        return min(due) - now if due else math.inf
