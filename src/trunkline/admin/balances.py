"""Money put into a purse by an operator, or taken out, with its entry in the books and in the audit."""

from __future__ import annotations

from trunkline.domain.price import spelled
from trunkline.domain.terms import ACCOUNT, PLAN, Purse
from trunkline.store import admission, audit, provisioning
from trunkline.store.db import Connection


async def add_money(
    conn: Connection, owner: str, micro: int, *, currency: str | None, note: str, actor: str
) -> tuple[int, str]:
    """Puts money into the purse of an account (`ACCOUNT`) or a plan (`ACCOUNT/PLAN`), by names or public ids; less than
    0 takes some out. What is left, and its currency. Raises ValueError, saying why it cannot be."""
    async with conn.transaction():
        await provisioning.lock(conn)
        purse, subject = await _purse(conn, owner)
        if currency is not None:
            await admission.ensure_balance(conn, purse, currency)
        found = await admission.currency_of(conn, purse)
        if found is None:
            raise ValueError(f"{owner} has no balance: give the --currency of a new one")
        if currency not in (None, found):
            raise ValueError(f"the balance of {owner} is in {found}")
        left = await admission.add(conn, purse, micro, actor, note)
        if left is None:
            raise ValueError(f"the balance of {owner} has less than that")
        detail = {"amount": spelled(micro), "currency": found, "left": spelled(left), "note": note}
        await audit.record(conn, actor, "balance.added", subject, detail)
    return left, found


async def _purse(conn: Connection, owner: str) -> tuple[Purse, str]:
    account_name, slash, plan_name = owner.partition("/")
    accounts = await provisioning.rows(conn, "account")
    found = [key for key, row in accounts.items() if account_name in (row["name"], row["public_id"])]
    if len(found) != 1:
        raise ValueError(f"{'more than one' if found else 'no'} account is called {account_name}")
    if not slash:
        return Purse(ACCOUNT, found[0]), f"account {accounts[found[0]]['public_id']}"
    plans = await provisioning.rows(conn, "plan")
    own = [
        key
        for key, row in plans.items()
        if row["account_id"] == found[0] and plan_name in (row["name"], row["public_id"])
    ]
    if len(own) != 1:
        raise ValueError(f"{'more than one' if own else 'no'} plan of {account_name} is called {plan_name}")
    return Purse(PLAN, own[0]), f"plan {plans[own[0]]['public_id']}"
