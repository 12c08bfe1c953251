"""What operators do about webhooks: dead letters listed and sent again, disabled URLs enabled."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import UUID

from trunkline.admin.tokens import Refused, one_called
from trunkline.domain.provisioning import AccountId, PlanId
from trunkline.store import audit, hooks, provisioning, replay
from trunkline.store.db import Connection
from trunkline.store.hooks import DisabledUrl
from trunkline.store.replay import Chosen, DeadLetter

# What becomes of a dead letter that is not replayed.
WHY = {
    "overtaken": "dropped: a later event of the message has overtaken it",
    "gone": "left: the message is no longer stored",
    "erased": "left: the message's texts or numbers are erased, so its body would be another",
    "without URL": "left: no URL is set for it",
    "disabled": "left: its URL is disabled",
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which events to send again, as an operator says it; None: all."""

    plan: str | None = None  # name or id
    msg_id: UUID | None = None
    n: int | None = None
    accepted_from: dt.datetime | None = None  # of the messages
    accepted_to: dt.datetime | None = None

    def described(self) -> dict[str, str | int]:
        """For the audit."""
        said = {
            "plan": self.plan,
            "message": str(self.msg_id) if self.msg_id else None,
            "event": self.n,
            "from": self.accepted_from.isoformat() if self.accepted_from else None,
            "to": self.accepted_to.isoformat() if self.accepted_to else None,
        }
        return {name: value for name, value in said.items() if value is not None}


async def dead_letters(conn: Connection, plan: str | None, since: dt.datetime | None, most: int) -> list[DeadLetter]:
    """Those of a plan (by name or id), or all; the newest first. Raises Refused."""
    return await replay.dead(conn, await _plan_id(conn, plan), since, most)


async def replay_dead(conn: Connection, wanted: Wanted, *, actor: str) -> AsyncIterator[list[replay.Judged]]:
    """Sends dead letters again, batch by batch, each a commit with its audit row. Raises Refused."""
    chosen = await _chosen(conn, wanted)
    after: replay.Place | None = replay.BEGINNING
    while after is not None:
        async with conn.transaction():
            judged, after = await replay.replay(conn, chosen, after)
            if judged:
                counts = Counter(one.verdict for one in judged)
                await audit.record(
                    conn, actor, "webhooks.replayed", _subject(wanted), {**wanted.described(), "events": dict(counts)}
                )
        yield judged


async def replay_failed(conn: Connection, wanted: Wanted, *, actor: str) -> AsyncIterator[int]:
    """Starts events anew that failed and wait for another attempt, batch by batch. Raises Refused."""
    chosen = await _chosen(conn, wanted)
    started = replay.BATCH
    while started == replay.BATCH:
        async with conn.transaction():
            started = await replay.again(conn, chosen)
            if started:
                await audit.record(
                    conn, actor, "webhooks.restarted", _subject(wanted), {**wanted.described(), "events": started}
                )
        yield started


async def disabled_urls(conn: Connection, account: str | None) -> list[DisabledUrl]:
    """Those of an account (by name or id), or all. Raises Refused."""
    return await hooks.disabled(conn, None if account is None else (await _account(conn, account))[0])


async def enable(
    conn: Connection, account: str, kind: str | None, url: str | None, *, actor: str
) -> list[tuple[str, str]]:
    """Enables an account's URLs again: all, those of one kind, or one. Returns (kind, URL) of each. Raises Refused."""
    async with conn.transaction():
        account_id, public_id = await _account(conn, account)
        enabled = await hooks.enable(conn, account_id, kind, url)
        if not enabled:
            raise Refused(
                f"account {account} has no such disabled URL: `trunkline webhooks disabled` shows those there are"
            )
        for its_kind, its_url in enabled:
            detail = {"kind": its_kind, "url": its_url}
            await audit.record(conn, actor, "webhook_url.enabled", f"account {public_id}", detail)
    return enabled


async def _account(conn: Connection, account: str) -> tuple[AccountId, str]:
    accounts = await provisioning.rows(conn, "account")
    account_id = one_called("account", account, accounts)
    return AccountId(account_id), accounts[account_id]["public_id"]


async def _plan_id(conn: Connection, plan: str | None) -> PlanId | None:
    return None if plan is None else PlanId(one_called("plan", plan, await provisioning.rows(conn, "plan")))


async def _chosen(conn: Connection, wanted: Wanted) -> Chosen:
    low, high = replay.FIRST, replay.LAST
    if wanted.msg_id is not None:
        low, high = wanted.msg_id, UUID(int=wanted.msg_id.int + 1)
    if wanted.accepted_from is not None:
        low = max(low, replay.first_id(wanted.accepted_from))
    if wanted.accepted_to is not None:
        high = min(high, replay.first_id(wanted.accepted_to))
    return Chosen(await _plan_id(conn, wanted.plan), low, high, wanted.n)


def _subject(wanted: Wanted) -> str:
    if wanted.msg_id is not None:
        return f"message {wanted.msg_id}"
    return f"plan {wanted.plan}" if wanted.plan is not None else "webhooks"
