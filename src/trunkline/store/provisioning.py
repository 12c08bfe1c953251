"""Provisioning in the database: read as one picture, changed row by row, and the secrets among it sealed."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

from trunkline.domain.consent import Does, consent_of
from trunkline.domain.guard import Guard, Limit
from trunkline.domain.provisioning import (
    Account,
    AccountId,
    Carrier,
    CarrierId,
    Keyword,
    Link,
    Plan,
    PlanId,
    Provisioning,
    Token,
)
from trunkline.domain.terms import ACCOUNT, Cap, PlanTerms, Purse
from trunkline.runtime.secret import seal, unseal
from trunkline.store import receivers, routes
from trunkline.store.db import Connection
from trunkline.store.queries import Queries

_SQL = Queries("provisioning")

# The columns that a change may set, in the order of the statements' parameters.
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "account": ("public_id", "name", "active", "dlr_url", "mo_url", "rate_per_s"),
    "plan": (
        *("public_id", "account_id", "name", "active", "dlr_url", "mo_url", "at_least_once", "resolve_after_s"),
        *("validity_s", "priority", "unknown_events", "countries", "hook_secrets", "rate_per_s", "sent_events"),
        *("transliterate", "max_segments", "consent", "callback_origins", "weight", "messages_per_s"),
    ),
    "sender": ("plan_id", "address", "state"),
    "carrier": ("name", "active", "dialect", "rate_per_s"),
    "link": (
        *("carrier_id", "name", "host", "port", "system_id", "password", "system_type", "bind_mode", "bind_count"),
        *("send_window", "tls", "timers", "active"),
        *("other_hosts", "tls_ca", "tls_identity", "tls_server_name"),
    ),
    "price_list": ("name", "currency"),
    "term": ("plan_id", "price_list_id", "prepaid", "cap_micro", "cap_per"),
    "guard": (
        *("plan_id", "active", "recipient_most", "recipient_window_s", "range_most", "range_window_s"),
        *("sequence_most", "sequence_window_s", "velocity", "blocked"),
    ),
    "blocked_range": ("prefix", "note", "active"),
    "route": (
        *("name", "carrier_id", "priority", "plan_id", "countries", "active", "account_id", "prefixes", "networks"),
        *("sender_kinds", "cost_micro", "weight", "min_delivery_percent", "max_receipt_s", "fallback"),
    ),
    "keyword": ("plan_id", "address", "word", "does", "reply", "active"),
    "receiver": ("account_id", "plan_id", "origin", "credentials"),
}
_JSON = frozenset({"consent", "dialect", "timers", "velocity"})


def password_place(carrier: str, link: str) -> str:
    """The context that a link's password is sealed for."""
    return f"password of link {carrier}/{link}"


def identity_place(carrier: str, link: str) -> str:
    """The context that a link's certificate and key are sealed for."""
    return f"certificate of link {carrier}/{link}"


def hook_secret_place(plan_public_id: str) -> str:
    """The context that a plan's webhook secrets are sealed for."""
    return f"webhook secret of plan {plan_public_id}"


async def load(conn: Connection, secret_key: bytes, known: Provisioning | None = None) -> Provisioning:
    """The whole picture at one version, but for the routes where there is one already: they are those of `known`.

    Raises SealBroken where `secret_key` is not the one it was stored under.
    """
    async with conn.transaction(isolation="repeatable_read", readonly=True):
        version = await conn.fetchval(_SQL.version)
        accounts = {AccountId(row["account_id"]): Account(**row) for row in await conn.fetch(_SQL.accounts)}
        terms = {row["plan_id"]: row for row in await conn.fetch(_SQL.terms)}
        guards = {row["plan_id"]: _guard(row) for row in await conn.fetch(_SQL.guards) if row["active"]}
        blocked = await conn.fetch(_SQL.blocked_ranges)
        plans = [_plan(row, accounts, secret_key, terms, guards) for row in await conn.fetch(_SQL.plans)]
        tokens = [_token(row) for row in await conn.fetch(_SQL.tokens)]
        senders = await conn.fetch(_SQL.senders)
        carriers = await conn.fetch(_SQL.carriers)
        links = [row for row in await conn.fetch(_SQL.links) if row["active"]]
        found = await routes.load(conn) if known is None else known.routes
        keywords = await conn.fetch(_SQL.keywords)
        known_receivers = await receivers.load(conn, accounts, secret_key)
    by_id = {plan.plan_id: plan for plan in plans}
    return Provisioning(
        version=version,
        accounts=accounts,
        plans=by_id,
        plans_by_public_id={plan.public_id: plan for plan in plans},
        tokens={token.hash: token for token in tokens},
        senders={(PlanId(row["plan_id"]), row["address"]): row["state"] for row in senders},
        plan_of_destination=_destinations(senders, by_id),
        carriers={CarrierId(row["carrier_id"]): _carrier(row, links, secret_key) for row in carriers},
        routes=found,
        keywords=_keywords(keywords),
        plans_of_address=_senders_plans(senders),
        receivers=known_receivers,
        blocked=frozenset(row["prefix"] for row in blocked if row["active"]),
    )


def _plan(
    row: Mapping[str, Any],
    accounts: Mapping[AccountId, Account],
    secret_key: bytes,
    terms: Mapping[PlanId, Mapping[str, Any]],
    guards: Mapping[PlanId, Guard],
) -> Plan:
    fields = dict(row)
    place = hook_secret_place(fields["public_id"])
    fields["countries"] = _set(fields["countries"])
    fields["consent"] = consent_of(json.loads(fields["consent"]))
    fields["callback_origins"] = _set(fields["callback_origins"])
    fields["hook_secrets"] = tuple(unseal(secret_key, sealed, place) for sealed in fields["hook_secrets"])
    plan_id, account_id = fields["plan_id"], fields["account_id"]
    return Plan(
        **fields,
        account_public_id=accounts[account_id].public_id,
        terms=_terms(terms[plan_id], account_id) if plan_id in terms else None,
        guard=guards.get(plan_id),
    )


def _terms(row: Mapping[str, Any], account_id: AccountId) -> PlanTerms | None:
    """None where a plan that had terms has none any more: its messages are not asked for any."""
    prepaid = row["prepaid"]
    purse = None if prepaid is None else Purse(prepaid, account_id if prepaid == ACCOUNT else row["plan_id"])
    cap = None if row["cap_micro"] is None else Cap(row["cap_micro"], row["cap_per"])
    terms = PlanTerms(row["price_list_id"], purse, cap)
    return None if terms == PlanTerms() else terms


def _guard(row: Mapping[str, Any]) -> Guard:
    limits = {
        name: None if row[f"{name}_most"] is None else Limit(row[f"{name}_most"], row[f"{name}_window_s"])
        for name in ("recipient", "range", "sequence")
    }
    velocity = tuple((prefix, Limit(most, window_s)) for prefix, most, window_s in json.loads(row["velocity"]))
    return Guard(**limits, velocity=velocity, blocked=frozenset(row["blocked"]))


def _token(row: Mapping[str, Any]) -> Token:
    fields = dict(row)
    fields["scopes"] = frozenset(fields["scopes"])
    fields["plan_ids"] = _set(fields["plan_ids"])
    fields["networks"] = None if fields["networks"] is None else tuple(fields["networks"])
    return Token(**fields)


def _carrier(row: Mapping[str, Any], links: list[Mapping[str, Any]], secret_key: bytes) -> Carrier:
    own = tuple(_link(link, row["name"], secret_key) for link in links if link["carrier_id"] == row["carrier_id"])
    return Carrier(row["carrier_id"], row["name"], row["active"], json.loads(row["dialect"]), own, row["rate_per_s"])


def _link(row: Mapping[str, Any], carrier: str, secret_key: bytes) -> Link:
    fields = dict(row)
    del fields["active"]
    fields["password"] = unseal(secret_key, fields["password"], password_place(carrier, fields["name"])).decode()
    fields["timers"] = json.loads(fields["timers"])
    fields["other_hosts"] = tuple(fields["other_hosts"])
    if fields["tls_identity"] is not None:
        place = identity_place(carrier, fields["name"])
        fields["tls_identity"] = unseal(secret_key, fields["tls_identity"], place).decode()
    return Link(**fields)


def _set(values: list[Any] | None) -> frozenset[Any] | None:
    return None if values is None else frozenset(values)


def _destinations(senders: list[Mapping[str, Any]], plans: Mapping[PlanId, Plan]) -> dict[str, PlanId]:
    """Who gets what is sent to an address: of several plans that may use it, an active one, and the first of those."""
    found: dict[str, PlanId] = {}
    approved = [row for row in senders if row["state"] == "approved"]
    for row in sorted(approved, key=lambda row: not plans[row["plan_id"]].active):
        found.setdefault(row["address"], row["plan_id"])
    return found


def _keywords(rows: list[Mapping[str, Any]]) -> dict[tuple[str | PlanId, str], Keyword]:
    return {
        (row["address"] or PlanId(row["plan_id"]), row["word"]): Keyword(
            row["plan_id"], Does(row["does"]), row["reply"]
        )
        for row in rows
        if row["active"]
    }


def _senders_plans(senders: list[Mapping[str, Any]]) -> dict[str, tuple[PlanId, ...]]:
    found: dict[str, tuple[PlanId, ...]] = {}
    for row in senders:
        found[row["address"]] = (*found.get(row["address"], ()), PlanId(row["plan_id"]))
    return found


# --- changes: all inside the caller's transaction -----------------------------------------------------------------


async def lock(conn: Connection) -> int:
    """Makes other changes wait until the end of this transaction; the version as it is before ours."""
    version: int = await conn.fetchval(_SQL.lock)
    return version


async def rows(conn: Connection, table: str) -> dict[int, dict[str, Any]]:
    """All rows of a table of `COLUMNS` by their id, as stored: secrets sealed, JSON read."""
    found = {}
    for row in await conn.fetch(_SQL.statements[f"{table}s"]):
        fields = dict(row)
        row_id = fields.pop(f"{table}_id")
        for name in _JSON & fields.keys():
            fields[name] = json.loads(fields[name])
        found[row_id] = fields
    return found


async def put(conn: Connection, table: str, row_id: int | None, fields: Mapping[str, Any]) -> int:
    """Inserts a row (`row_id` None) or sets all its columns; returns its id. `fields` has all `COLUMNS` of `table`."""
    values = [json.dumps(fields[name]) if name in _JSON else fields[name] for name in COLUMNS[table]]
    if row_id is None:
        return int(await conn.fetchval(_SQL.statements[f"insert_{table}"], *values))
    return int(await conn.fetchval(_SQL.statements[f"update_{table}"], row_id, *values))


async def insert_token(
    conn: Connection,
    *,
    account_id: AccountId,
    label: str,
    hash: bytes,
    scopes: frozenset[str],
    plan_ids: frozenset[PlanId] | None,
    networks: tuple[str, ...] | None,
    expires_after_s: float | None,
) -> Mapping[str, Any]:
    """Stores a token's SHA-256 with what it may do; returns its `token_id` and `expires_at`."""
    row = await conn.fetchrow(
        _SQL.insert_token,
        account_id,
        label,
        hash,
        sorted(scopes),
        None if plan_ids is None else sorted(plan_ids),
        None if networks is None else list(networks),
        expires_after_s,
    )
    return dict(row)


async def revoke_token(conn: Connection, token_id: int) -> bool:
    """Ends a token's life now; False if there is none with this id that lives."""
    return await conn.fetchval(_SQL.revoke_token, token_id) is not None


async def rotate_token(
    conn: Connection, token_id: int, *, hash: bytes, expires_after_s: float | None, overlap_s: float
) -> Mapping[str, Any] | None:
    """Stores a token with the rights of another, which ends after `overlap_s`.

    `expires_after_s` None: the new one lives as long as the old one was to. Returns its `token_id` and `expires_at`,
    and `old_expires_at`; None if there is no such token that lives and was not rotated yet.
    """
    row = await conn.fetchrow(_SQL.rotate_token, token_id, hash, expires_after_s, overlap_s)
    return None if row is None else dict(row)


async def token_account(conn: Connection, token_id: int) -> str | None:
    """The public id of a token's account; None if there is no such token."""
    public_id: str | None = await conn.fetchval(_SQL.token_account, token_id)
    return public_id


async def described_tokens(conn: Connection, account_id: AccountId | None) -> list[Mapping[str, Any]]:
    """What may be shown of the account's tokens, or of all: the columns of `described_tokens`, the oldest first."""
    return [dict(row) for row in await conn.fetch(_SQL.described_tokens, account_id)]


async def cursor_key(conn: Connection, secret_key: bytes) -> bytes:
    """The key that signs list cursors, one per installation, made at the first call. Raises SealBroken."""
    place = "cursor key"
    sealed = await conn.fetchval(_SQL.cursor_key)
    if sealed is None:
        await conn.execute(_SQL.set_cursor_key, seal(secret_key, os.urandom(32), place))
        sealed = await conn.fetchval(_SQL.cursor_key)
    return unseal(secret_key, sealed, place)
