"""[[price_list]]: what messages cost, for the plans that name it."""

from __future__ import annotations

from collections.abc import Sequence

from trunkline.admin import kinds
from trunkline.admin.document import REQUIRED, Key, Table
from trunkline.admin.prices import SENDERS
from trunkline.admin.world import World
from trunkline.runtime.kinds import choice
from trunkline.store import prices
from trunkline.store.prices import IncomingPrice

WHAT = "What messages cost, in one currency, for the plans that name it. Known by its `name`."
KEYS = (
    Key("name", kinds.NAME, REQUIRED, "What the list is called here, by plans and by `trunkline prices`."),
    Key("currency", kinds.CURRENCY, REQUIRED, "The currency of all its prices, by ISO 4217 code; it does not change."),
)
PRICE_WHAT = (
    "A price of the list it is written in. Where a list has any of these in the file, they are all that it has; where"
    " it has none, its prices stay as they are (`trunkline prices import`). Of those that fit, the one for the network"
    " goes before the one for the country, and that before the one for neither; then the one for the kind of sender"
    " before the one for any; then the one that is valid from later on."
)
_WORDS = [word for word in SENDERS if word]
PRICE_KEYS = (
    Key("country", kinds.COUNTRY, None, "The country of the recipient.", shown="every country"),
    Key("mccmnc", kinds.MCCMNC, None, "The network of the recipient, instead of a country.", shown="every network"),
    Key("sender", choice(*_WORDS), None, "The kind of sender.", shown="every kind"),
    Key("price", kinds.MONEY, REQUIRED, "What a part costs, as `0.0075`; up to six digits after the point."),
    Key("ptf", kinds.MONEY, 0, "The carrier's pass-through fee for a part, on top of that."),
    Key("valid_from", kinds.TIME, None, "When messages begin to cost this.", shown="always"),
    Key("valid_until", kinds.TIME, None, "When they do not any more.", shown="for ever"),
)


def read(table: Table) -> None:
    """Checks the table and those of its prices by themselves."""
    table.read(KEYS, also=("price",))
    tables = table.tables("price")
    seen: dict[tuple[object, ...], Table] = {}
    for price in tables:
        price.read(PRICE_KEYS)
        values = price.values
        if values["country"] is not None and values["mccmnc"] is not None:
            price.mistake("country", "a price is for a country or for a network, not both")
        if values["valid_from"] and values["valid_until"] and values["valid_from"] >= values["valid_until"]:
            price.mistake("valid_until", "valid_until must be after valid_from")
        first = seen.setdefault(tuple(values[key] for key in ("country", "mccmnc", "sender", "valid_from")), price)
        if first is not price:
            line = table.document.line(first.path)
            price.mistake("", f"this price is in the file already, on line {line}")
        table.is_sound &= price.is_sound
    table.values["prices"] = tables


async def put(world: World, table: Table) -> None:
    """Creates the list, or changes its prices."""
    if not table.is_sound:
        return
    name, currency = table.values["name"], table.values["currency"]
    row_id = next((key for key, row in world.rows["price_list"].items() if row["name"] == name), None)
    if row_id is not None and world.rows["price_list"][row_id]["currency"] != currency:
        table.mistake("currency", f"price list {name} is in {world.rows['price_list'][row_id]['currency']}")
        return
    row_id = await world.put("price_list", row_id, {"name": name, "currency": currency}, name)
    if not table.values["prices"]:
        return
    await prices.receive(world.conn, _incoming(table.values["prices"]))
    count, changed = await prices.replace(world.conn, row_id)
    if changed:
        await world.note("price", "changed", name, {"prices": count})


def _incoming(tables: Sequence[Table]) -> list[IncomingPrice]:
    return [
        IncomingPrice(
            line,
            price.values["country"] or "",
            price.values["mccmnc"] or "",
            SENDERS[price.values["sender"] or ""],
            price.values["price"],
            price.values["ptf"],
            price.values["valid_from"],
            price.values["valid_until"],
        )
        for line, price in enumerate(tables, start=1)
    ]
