"""[[route]]: which carrier takes which messages."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any

from trunkline.admin import kinds
from trunkline.admin.document import REQUIRED, Key, Table
from trunkline.admin.world import World
from trunkline.domain.routes import SENDER_KINDS
from trunkline.runtime.kinds import FLAG, Kind, integer, number

_PREFIX = re.compile(r"\+?([1-9][0-9]{0,14})").fullmatch
_NETWORK = re.compile(r"([0-9]{5,6})").fullmatch
_MOST_MICRO = 10**15


def _list_of(form: Callable[[str], re.Match[str] | None], what: str) -> Callable[[Any], list[str]]:
    def read(value: Any) -> list[str]:
        found = [form(item) if isinstance(item, str) else None for item in value] if isinstance(value, list) else []
        if not found or None in found:
            raise ValueError(what)
        return sorted({match[1] for match in found if match is not None})

    return read


def _sender_kinds(value: Any) -> list[str]:
    if not isinstance(value, list) or not value or not all(item in SENDER_KINDS for item in value):
        raise ValueError("a list of " + ", ".join(SENDER_KINDS))
    return sorted(set(value))


def _cost(value: Any) -> int:
    """In millionths. A number of TOML is taken by its digits: 0.0231 is not 0.02310000000000000131."""
    try:
        cost = Decimal(value if isinstance(value, str) else repr(value)) if not isinstance(value, bool) else None
    except InvalidOperation:
        cost = None
    if cost is None or not cost.is_finite() or not 0 <= cost * 1_000_000 <= _MOST_MICRO:
        raise ValueError("an amount such as 0.0231, 0 or more")
    if cost * 1_000_000 != int(cost * 1_000_000):
        raise ValueError("an amount with at most 6 decimal places")
    return int(cost * 1_000_000)


PREFIXES = Kind("list of digits", _list_of(_PREFIX, 'a list of digits that numbers begin with, such as ["4479", "1"]'))
NETWORKS = Kind("list of networks", _list_of(_NETWORK, 'a list of MCC with MNC, 5 or 6 digits, such as ["23410"]'))
KINDS_OF_SENDERS = Kind("list of " + ", ".join(f"`{kind}`" for kind in SENDER_KINDS), _sender_kinds)
COST = Kind("amount", _cost)

WHAT = (
    "Which carrier takes which messages. Known by its `name`. A message goes by a route that fits it in every respect;"
    " [Routing](routing.md) says by which of several."
)
KEYS = (
    Key("name", kinds.NAME, REQUIRED, "What the route is called."),
    Key("carrier", kinds.NAME, REQUIRED, "The carrier, by name."),
    Key("priority", integer(-1_000_000, 1_000_000), 0, "Of the routes that fit a message, the highest is tried first."),
    Key("plan", kinds.REFERENCE, None, "The only plan that it is for.", shown="every plan"),
    Key("account", kinds.REFERENCE, None, "The only account that it is for; not with `plan`.", shown="every account"),
    Key("sender_kinds", KINDS_OF_SENDERS, None, "The only kinds of senders that it is for.", shown="every kind"),
    Key("prefixes", PREFIXES, None, "What numbers begin with that it leads to.", shown="every number"),
    Key("networks", NETWORKS, None, "The only networks that it leads to, by MCC and MNC.", shown="every network"),
    Key("countries", kinds.COUNTRIES, None, "The only countries that it leads to.", shown="every country"),
    Key("cost", COST, None, "What one part costs you, in one currency for all routes: the cheaper goes first."),
    Key("weight", integer(1, 1000), 1, "Its share of the messages where routes are equal otherwise."),
    Key(
        "min_delivery_percent",
        number(0, 100),
        None,
        "It is tried last where fewer messages than this are delivered, in per cent.",
    ),
    Key("max_receipt_s", number(0.1, 86400), None, "It is tried last where 95 % of receipts take longer than this."),
    Key("fallback", FLAG, True, "Whether routes that come after it may be tried."),
    Key("active", FLAG, None, "Whether it is used.", shown="on at creation, then as it is"),
)


def read(table: Table) -> None:
    """Checks the table by itself."""
    table.read(KEYS)
    if table.values["plan"] is not None and table.values["account"] is not None:
        table.mistake("account", "a route is for a plan or for an account, not for both")


async def put(world: World, table: Table) -> None:
    """Creates or changes the route."""
    values = table.values
    carrier_id = world.carrier(table, "carrier")
    plan_id = world.plan(table, "plan")
    account_id = world.account(table, "account")
    if not table.is_sound or carrier_id is None:
        return
    row_id = world.route_named(values["name"])
    was_active = world.rows["route"][row_id]["active"] if row_id is not None else True
    fields = {
        "name": values["name"],
        "carrier_id": carrier_id,
        "priority": values["priority"],
        "plan_id": plan_id,
        "account_id": account_id,
        "prefixes": values["prefixes"],
        "networks": values["networks"],
        "countries": values["countries"],
        "sender_kinds": values["sender_kinds"],
        "cost_micro": values["cost"],
        "weight": values["weight"],
        "min_delivery_percent": values["min_delivery_percent"],
        "max_receipt_s": values["max_receipt_s"],
        "fallback": values["fallback"],
        "active": was_active if values["active"] is None else values["active"],
    }
    await world.put("route", row_id, fields, values["name"])
