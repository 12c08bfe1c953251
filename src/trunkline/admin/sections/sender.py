"""[[sender]]: an address that a plan may send from."""

from __future__ import annotations

from trunkline.admin import kinds
from trunkline.admin.document import REQUIRED, Key, Table
from trunkline.admin.world import World
from trunkline.runtime.kinds import choice

WHAT = (
    "An address that a plan may send from; messages to it belong to that plan. Known by its plan and `address`."
    " Several plans may share one; messages to it then belong to the active plan that had it first."
)
KEYS = (
    Key("plan", kinds.REFERENCE, REQUIRED, "The plan: an id, `NAME`, or `ACCOUNT/NAME` where two have the same name."),
    Key("address", kinds.ADDRESS, REQUIRED, "A short code, a number with `+`, or up to 11 letters and digits."),
    Key("state", choice("approved", "pending", "denied"), "approved", "Only an approved sender can be sent from."),
)


def read(table: Table) -> None:
    """Checks the table by itself."""
    table.read(KEYS)


async def put(world: World, table: Table) -> None:
    """Creates or changes the sender."""
    plan_id = world.plan(table, "plan")
    if not table.is_sound or plan_id is None:
        return
    address = table.values["address"]
    rows = world.rows["sender"].items()
    row_id = next((key for key, row in rows if (row["plan_id"], row["address"]) == (plan_id, address)), None)
    fields = {"plan_id": plan_id, "address": address, "state": table.values["state"]}
    await world.put("sender", row_id, fields, f"{address} of {world.rows['plan'][plan_id]['name']}")
