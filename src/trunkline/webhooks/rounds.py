"""What is looked after every few seconds beside delivering: receivers that are down, URLs that are disabled."""

from __future__ import annotations

from collections.abc import Callable

from trunkline.domain.callback import Callback
from trunkline.domain.schedule import PATIENCE_S
from trunkline.runtime import log
from trunkline.store import hooks
from trunkline.store.db import Connection
from trunkline.webhooks.breaker import Breakers
from trunkline.webhooks.claim import Claims, bucket_of

_log = log.get_logger()
_EVERY_S, _PATIENCE_EVERY_S = 5.0, 60.0


class Rounds:
    """The rounds of one delivering process; each subject is looked after by the process that holds its bucket."""

    def __init__(
        self,
        claims: Claims,
        breakers: Breakers,
        target_of: Callable[[str], Callback | None],
        now: Callable[[], float],
    ) -> None:
        self._claims = claims
        self._breakers = breakers
        self._target_of = target_of
        self._now = now
        self._looked_at = self._waited_at = float("-inf")
        self._alarms: set[str] = set()

    async def look(self, conn: Connection) -> None:
        """Does what is due."""
        now = self._now()
        if now - self._looked_at < _EVERY_S:
            return
        self._looked_at = now
        self._breakers.keep(self._claims.is_held)
        await self._tell_disabled(conn)
        if now - self._waited_at >= _PATIENCE_EVERY_S:
            self._waited_at = now
            await self._give_up(conn)

    async def _give_up(self, conn: Connection) -> None:
        """An event waits for its receiver to the end of its schedule and a day more, not forever."""
        lanes = [lane for lane in self._breakers.open() if self._claims.is_idle(lane)]
        if not lanes:
            return
        for plan_id, origin, count in await hooks.waited_out(conn, lanes, PATIENCE_S):
            _log.warning("hook.waited_out", plan_id=plan_id, origin=origin, count=count)

    async def _tell_disabled(self, conn: Connection) -> None:
        found = {}
        for one in await hooks.disabled(conn):
            target = self._target_of(one.url)
            # One that is not allowed any more has no receiver; whoever holds the text's bucket tells of it.
            if bucket_of(target.origin if target is not None else one.url) in self._claims.held:
                shown = one.url.partition("?")[0]  # a query may hold what opens the receiver
                found[f"{one.kind} URL of account {one.account_name} ({one.account}): {shown}"] = one.reason
        for subject, reason in found.items():
            log.alarm("webhook_url_disabled", subject, True, reason=reason)
        for subject in self._alarms - found.keys():
            log.alarm("webhook_url_disabled", subject, False)
        self._alarms = set(found)
