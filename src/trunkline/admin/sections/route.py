"""[[route]]: which carrier takes which messages."""

from __future__ import annotations

from trunkline.admin import kinds
from trunkline.admin.document import REQUIRED, Key, Table
from trunkline.admin.world import World
from trunkline.runtime.kinds import FLAG, integer

WHAT = "Which carrier takes which messages. Known by its `name`."
KEYS = (
    Key("name", kinds.NAME, REQUIRED, "What the route is called."),
    Key("carrier", kinds.NAME, REQUIRED, "The carrier, by name."),
    Key("priority", integer(-1_000_000, 1_000_000), 0, "Of the routes that fit a message, the highest is tried first."),
    Key("plan", kinds.REFERENCE, None, "The only plan that it is for.", shown="every plan"),
    Key("countries", kinds.COUNTRIES, None, "The only countries that it leads to.", shown="every country"),
    Key("active", FLAG, None, "Whether it is used.", shown="on at creation, then as it is"),
)


def read(table: Table) -> None:
    """Checks the table by itself."""
    table.read(KEYS)


async def put(world: World, table: Table) -> None:
    """Creates or changes the route."""
    values = table.values
    carrier_id = world.carrier(table, "carrier")
    plan_id = world.plan(table, "plan")
    if not table.is_sound or carrier_id is None:
        return
    row_id = next((key for key, row in world.rows["route"].items() if row["name"] == values["name"]), None)
    was_active = world.rows["route"][row_id]["active"] if row_id is not None else True
    fields = {
        "name": values["name"],
        "carrier_id": carrier_id,
        "priority": values["priority"],
        "plan_id": plan_id,
        "countries": values["countries"],
        "active": was_active if values["active"] is None else values["active"],
    }
    await world.put("route", row_id, fields, values["name"])
