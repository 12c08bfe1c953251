"""API tokens: issued and rotated, to be shown once; listed without anything that they could be guessed by; revoked."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

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


@dataclass(frozen=True, slots=True)
class RotatedToken:
    """A new token, and when the one that it replaces ends."""

    new: IssuedToken
    old_expires_at: dt.datetime


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
        account_id = one_called("account", account, accounts)
        own = {
            key: row for key, row in (await provisioning.rows(conn, "plan")).items() if row["account_id"] == account_id
        }
        plan_ids = frozenset(PlanId(one_called("plan of this account", plan, own)) for plan in plans)
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
        await audit.record(conn, actor, "token.issued", _subject(row["token_id"], public_id), detail)
    return IssuedToken(issued.token, row["token_id"], public_id, row["expires_at"])


async def rotate_token(
    conn: Connection, token_id: int, *, overlap_s: float, expires_after_s: float | None = None, actor: str
) -> RotatedToken:
    """Issues a token with the rights of another, which ends after `overlap_s`.

    `expires_after_s` None: the new one lives as long as the old one was to. Raises Refused for a token that has ended
    or was rotated before.
    """
    async with conn.transaction():
        await provisioning.lock(conn)
        public_id = await _account_of(conn, token_id)
        issued = issue()
        row = await provisioning.rotate_token(
            conn, token_id, hash=issued.hash, expires_after_s=expires_after_s, overlap_s=overlap_s
        )
        if row is None:
            raise Refused(f"token {token_id} has ended or was rotated before: `trunkline token list` shows which")
        detail = {"new": row["token_id"], "overlap_s": overlap_s, "expires_after_s": expires_after_s}
        await audit.record(conn, actor, "token.rotated", _subject(token_id, public_id), detail)
        detail = {"replaces": token_id, "expires_after_s": expires_after_s}
        await audit.record(conn, actor, "token.issued", _subject(row["token_id"], public_id), detail)
    new = IssuedToken(issued.token, row["token_id"], public_id, row["expires_at"])
    return RotatedToken(new, row["old_expires_at"])


async def revoke_token(conn: Connection, token_id: int, *, actor: str) -> str:
    """Ends a token's life: every process refuses it within 5 s. Returns its account's id. Raises Refused."""
    async with conn.transaction():
        await provisioning.lock(conn)
        public_id = await _account_of(conn, token_id)
        if not await provisioning.revoke_token(conn, token_id):
            raise Refused(f"token {token_id} was revoked before")
        await audit.record(conn, actor, "token.revoked", _subject(token_id, public_id), {})
    return public_id


async def list_tokens(conn: Connection, account: str | None = None) -> list[Mapping[str, Any]]:
    """What may be shown of the tokens of an account (by name or id), or of all. Raises Refused."""
    account_id = (
        None if account is None else AccountId(one_called("account", account, await provisioning.rows(conn, "account")))
    )
    return await provisioning.described_tokens(conn, account_id)


async def _account_of(conn: Connection, token_id: int) -> str:
    public_id = await provisioning.token_account(conn, token_id)
    if public_id is None:
        raise Refused(f"there is no token {token_id}: `trunkline token list` shows those there are")
    return public_id


def _subject(token_id: int, account_public_id: str) -> str:
    return f"token {token_id} of account {account_public_id}"


def one_called(kind: str, called: str, rows: dict[int, dict[str, object]]) -> int:
    """The id of the row that is called so, by public id or name. Raises Refused."""
    found = [key for key, row in rows.items() if called.lower() == row["public_id"] or called == row["name"]]
    if len(found) == 1:
        return found[0]
    if found:
        raise Refused(f"more than one {kind} is called {called}: give its id")
    raise Refused(f"there is no {kind} {called}{near(called, [str(row['name']) for row in rows.values()])}")
