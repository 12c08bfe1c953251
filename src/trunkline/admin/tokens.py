"""API tokens: issued once, to be shown once."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field

from trunkline.admin.document import near
from trunkline.domain.provisioning import AccountId, PlanId
from trunkline.domain.token import issue
from trunkline.store import audit, provisioning
from trunkline.store.db import Connection

SCOPES = ("messages:send", "messages:read")


class Refused(Exception):
    """An operator asked for something that cannot be; one line that says why."""


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A new token. `token` is shown once and stored nowhere."""

    token: str = field(repr=False)
    token_id: int
    account: str
    expires_at: dt.datetime | None


async def issue_token(
    conn: Connection,
    *,
    account: str,
    label: str = "",
    scopes: Sequence[str] = SCOPES,
    plans: Sequence[str] = (),
    networks: Sequence[str] = (),
    expires_after_s: float | None = None,
    actor: str,
) -> IssuedToken:
    """Issues a token of the account (by name or id) for `plans` (by name or id; none: all). Raises Refused."""
    async with conn.transaction():
        await provisioning.lock(conn)
        accounts = await provisioning.rows(conn, "account")
        account_id = _one("account", account, accounts)
        own = {
            key: row for key, row in (await provisioning.rows(conn, "plan")).items() if row["account_id"] == account_id
        }
        plan_ids = frozenset(PlanId(_one("plan of this account", plan, own)) for plan in plans)
        issued = issue()
        row = await provisioning.insert_token(
            conn,
            account_id=AccountId(account_id),
            label=label,
            hash=issued.hash,
            scopes=frozenset(scopes),
            plan_ids=plan_ids or None,
            networks=tuple(networks) or None,
            expires_after_s=expires_after_s,
        )
        public_id = accounts[account_id]["public_id"]
        detail: dict[str, object] = {
            "label": label,
            "scopes": list(scopes),
            "plans": list(plans),
            "networks": list(networks),
        }
        detail["expires_after_s"] = expires_after_s
        await audit.record(conn, actor, "token.issued", f"token {row['token_id']} of account {public_id}", detail)
    return IssuedToken(issued.token, row["token_id"], public_id, row["expires_at"])


def _one(kind: str, called: str, rows: dict[int, dict[str, object]]) -> int:
    found = [key for key, row in rows.items() if called.lower() == row["public_id"] or called == row["name"]]
    if len(found) == 1:
        return found[0]
    if found:
        raise Refused(f"more than one {kind} is called {called}: give its id")
    raise Refused(f"there is no {kind} {called}{near(called, [str(row['name']) for row in rows.values()])}")
