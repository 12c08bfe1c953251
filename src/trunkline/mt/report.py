"""What operators see of dispatching: rate and pauses of each carrier, what its lanes hold; and what they ask for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping

from trunkline.domain.provisioning import CarrierId, PlanId, Provisioning
from trunkline.mt.dispatch import Dispatch
from trunkline.runtime import clock, log, metrics
from trunkline.store import audit, carrier_states, queue
from trunkline.store.carrier_states import State
from trunkline.store.db import Connection, DatabaseError, Standing

_log = log.get_logger()
_RATE = metrics.gauge("trunkline_carrier_rate", "Parts a second that a carrier is sent at most; absent: no limit.",
                      "carrier", highest=True)  # fmt: skip
_MESSAGES = metrics.gauge("trunkline_lane_messages", "Messages queued, counted up to 10000 a lane.",
                          "carrier", "plan", "priority", highest=True)  # fmt: skip
_OLDEST = metrics.gauge("trunkline_lane_oldest_seconds", "Age of the first message of a lane.",
                        "carrier", "plan", "priority", highest=True)  # fmt: skip

_EVERY_S = 1.0
_SAY_AGAIN_S = 10.0  # what has not changed
_DEPTHS_EVERY_S = 15.0
_COUNT_TO = 10_000


class Report:
    """Of all carriers of one dispatcher process."""

    def __init__(
        self,
        dsn: str,
        node: str,
        dispatches: Callable[[], Collection[Dispatch]],
        provisioning: Callable[[], Provisioning | None],
    ) -> None:
        self._standing = Standing(dsn, name="report", hot=False)
        self._actor = f"dispatcher@{node}"
        self._dispatches = dispatches
        self._provisioning = provisioning
        self._told: dict[CarrierId, tuple[float, State]] = {}
        self._retries: dict[CarrierId, int] = {}
        self._lanes: set[tuple[str, str, str]] = set()
        self._rates: set[str] = set()

    async def run(self) -> None:
        """Tells until cancelled."""
        try:
            await self._tell_all()
        finally:
            self._standing.abandon()

    async def _tell_all(self) -> None:
        depths_at = float("-inf")
        while True:
            now = clock.monotonic_s()
            try:
                conn = await self._standing.get()
                for dispatch in self._dispatches():
                    await self._tell(conn, dispatch, now)
                if now - depths_at >= _DEPTHS_EVERY_S:
                    depths_at = now
                    await self._count(conn)
            except DatabaseError as error:
                _log.warning("report.waits", error=log.explained(error))
                self._standing.abandon()
            self._show_rates()
            await clock.sleep(_EVERY_S)

    async def _tell(self, conn: Connection, dispatch: Dispatch, now: float) -> None:
        await self._notices(conn, dispatch)
        state = _state(dispatch)
        told_at, told = self._told.get(dispatch.carrier_id, (float("-inf"), None))
        if now - told_at < _SAY_AGAIN_S and state == told and state.pause_s is None:
            return
        retries = await carrier_states.report(conn, dispatch.carrier_id, dispatch.epoch, state)
        if retries is None:
            return
        self._told[dispatch.carrier_id] = (now, state)
        if retries > self._retries.setdefault(dispatch.carrier_id, retries):
            self._retries[dispatch.carrier_id] = retries
            dispatch.retry()

    async def _notices(self, conn: Connection, dispatch: Dispatch) -> None:
        notices = dispatch.objections.notices
        while notices:
            subject = f"carrier {dispatch.pool.carrier.name}"
            await audit.record(conn, self._actor, notices[0].action, subject, notices[0].detail)
            del notices[0]

    def _show_rates(self) -> None:
        rates = {one.pool.carrier.name: one.throttle.rate for one in self._dispatches()}
        for name in self._rates - {name for name, rate in rates.items() if rate is not None}:
            _RATE.forget(name)
        self._rates = set()
        for name, rate in rates.items():
            if rate is not None:
                self._rates.add(name)
                _RATE.of(name).value = round(rate, 1)

    async def _count(self, conn: Connection) -> None:
        known = self._provisioning()
        plans: Mapping[PlanId, str] = (
            {} if known is None else {plan_id: plan.public_id for plan_id, plan in known.plans.items()}
        )
        now_ms = (await queue.database_now(conn)).timestamp() * 1000
        seen = set()
        for dispatch in self._dispatches():
            for depth in await queue.depths(conn, dispatch.carrier_id, _COUNT_TO):
                labels = (
                    dispatch.pool.carrier.name,
                    plans.get(depth.lane.plan_id, str(depth.lane.plan_id)),
                    str(depth.lane.priority),
                )
                seen.add(labels)
                _MESSAGES.of(*labels).value = depth.held
                _OLDEST.of(*labels).value = max(now_ms - (depth.first.int >> 80), 0.0) / 1000
        for labels in self._lanes - seen:
            _MESSAGES.forget(*labels)
            _OLDEST.forget(*labels)
        self._lanes = seen


def _state(dispatch: Dispatch) -> State:
    links, objections = dispatch.pool.links, dispatch.objections
    dispatch.throttle.room(clock.monotonic_s())  # the rate grows while nobody asks
    until = objections.paused_until
    return State(
        links_up=sum(link.session is not None for link in links),
        links=len(links),
        under_way=dispatch.pool.outstanding,
        rate_per_s=dispatch.throttle.rate,
        cut_rate=dispatch.throttle.cut_rate,
        pause_s=None if until is None else max(until - asyncio.get_running_loop().time(), -1.0),
        paused_status=None if until is None else objections.command_status,
        paused_field=None if until is None else objections.field,
    )
