"""The keys of [[plan]] that say on what terms it sends: stored in a row of their own, where a plan has any."""

from __future__ import annotations

from typing import Any

from trunkline.admin import kinds
from trunkline.admin.document import Key, Table
from trunkline.admin.world import World
from trunkline.domain.terms import ACCOUNT, PLAN, Purse
from trunkline.runtime.kinds import choice
from trunkline.store import admission

KEYS = (
    Key(
        "price_list",
        kinds.NAME,
        None,
        "What its messages cost. A message that the list has no price for is refused.",
        shown="no prices: nothing is charged",
    ),
    Key(
        "prepaid",
        choice("no", "account", "plan"),
        "no",
        "Whether its messages are paid from a balance, and from whose: what it does not cover ends FAILED 601.",
    ),
    Key(
        "spend_cap", kinds.MONEY, None, "What it may spend in a period; what goes beyond ends FAILED 601.", shown="none"
    ),
    Key("spend_per", choice("day", "month"), "day", "The period of `spend_cap`, by UTC."),
)
_PREPAID = {"no": None, "account": ACCOUNT, "plan": PLAN}


def check(table: Table) -> None:
    """Notes what the keys say against each other."""
    values = table.values
    if values["price_list"] is None and (values["prepaid"] not in ("no", None) or values["spend_cap"] is not None):
        key = "prepaid" if values["prepaid"] != "no" else "spend_cap"
        table.mistake(key, f"{key} needs a price_list: without one nothing costs anything")


async def put(world: World, table: Table, plan_id: int, account_id: int) -> None:
    """Makes the plan's terms so; notes what stands against them."""
    price_list_id = world.price_list(table, "price_list")
    if not table.is_sound:
        return
    values = table.values
    prepaid = _PREPAID[values["prepaid"]]
    if prepaid is not None and price_list_id is not None:
        purse = Purse(prepaid, account_id if prepaid == ACCOUNT else plan_id)
        currency = world.rows["price_list"][price_list_id]["currency"]
        found = await admission.ensure_balance(world.conn, purse, currency)
        if found != currency:
            table.mistake("prepaid", f"the balance is in {found}, and the price list in {currency}")
            return
    row_id = next((key for key, row in world.rows["term"].items() if row["plan_id"] == plan_id), None)
    fields = _fields(plan_id, price_list_id, prepaid, values["spend_cap"], values["spend_per"])
    if row_id is not None or fields != _fields(plan_id, None, None, None, "day"):
        await world.put("term", row_id, fields, values["name"])


def _fields(
    plan_id: int, price_list_id: int | None, prepaid: int | None, cap_micro: int | None, cap_per: str
) -> dict[str, Any]:
    return {
        "plan_id": plan_id,
        "price_list_id": price_list_id,
        "prepaid": prepaid,
        "cap_micro": cap_micro,
        "cap_per": cap_per,
    }
